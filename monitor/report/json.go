package report

import (
	"encoding/json"
	"io"

	"github.com/dnstaster/dnstaster/monitor"
)

// JSON writes a report as one document of the schema dnstaster.report/v1.
func JSON(w io.Writer, r monitor.Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
