//go:build lab

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// deliveryCases are about how an alert gets to people.
var deliveryCases = []Case{
	{
		ID: "C40", Title: "the pager hangs behind a real Alertmanager", Name: "www.bank.lab",
		Config: Config{Webhooks: []string{"{name: pager, url_file: pager, format: alertmanager}"}},
		Before: alertmanager, Start: monitor.Clean,
		Cause: divert(udp53, "www.bank.lab"), Verdict: monitor.Poisoned,
		Want: []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath}},
		Also: paged,
	},
}

// alertmanager runs an Alertmanager on the host ops, and tells the daemon where.
func alertmanager(r *Run) (world.Undo, error) {
	conf := r.w.Path("conf", "alertmanager")
	if err := os.WriteFile(conf, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o644); err != nil {
		return nil, err
	}
	p, err := r.w.Host("ops").Start("alertmanager", "prometheus-alertmanager", "--config.file="+conf,
		"--storage.path="+r.w.Path("run", "alertmanager"), "--web.listen-address="+world.OpsAddr+":9093", "--cluster.listen-address=")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.w.Path("daemon"), 0o700); err != nil {
		return p.Stop, err
	}
	err = os.WriteFile(r.w.Path("daemon", "pager"), []byte("http://"+world.OpsAddr+":9093"), 0o600)
	return p.Stop, err
}

// paged reports whether the Alertmanager holds the alert, as critical.
func paged(r *Run) error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		return r.w.Host("ops").Dial(network, addr)
	}}}
	return within(10*time.Second, func() error {
		resp, err := client.Get("http://" + world.OpsAddr + ":9093/api/v2/alerts")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		var as []struct{ Labels map[string]string }
		if err := json.Unmarshal(text, &as); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		for _, a := range as {
			if a.Labels["severity"] == "critical" && strings.Contains(fmt.Sprint(a.Labels), r.name()) {
				return nil
			}
		}
		return fmt.Errorf("the Alertmanager holds %s", text)
	})
}
