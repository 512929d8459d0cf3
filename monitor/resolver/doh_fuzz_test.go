package resolver

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// FuzzWebReply reads what a server may say over HTTPS: what it calls an answer
// is one to our question, and its text is printable.
func FuzzWebReply(f *testing.F) {
	answered := pack(a(new(dns.Msg).SetQuestion(question.Name, dns.TypeA), "192.0.2.1"))
	f.Add(200, mediaType, "0", answered)
	f.Add(204, mediaType+"; charset=utf-8", "300", answered[:20])
	f.Add(302, "text/html", "-1", []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, media, age string, body []byte) {
		res := &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {media}, "Age": {age}}, Body: io.NopCloser(bytes.NewReader(body)),
		}
		query, err := newQuery(question, true)
		if err != nil {
			t.Fatal(err)
		}
		query.anonymous()
		var x outcome
		got, err := readWebReply(res)
		if err == nil {
			if _, err = query.check(got.message); err == nil {
				x.msg, err = query.read(got.message)
			}
		}
		if x.err = err; err == nil {
			got.ripen(x.msg)
		}
		o := x.observation(monitor.Resolver{Name: "test", Transport: monitor.DoH})
		if (o.Error == "") != (o.Rcode != "") {
			t.Errorf("%+v is neither an answer nor a failure", o)
		}
		for _, text := range []string{o.Error, o.Rcode, o.NSID} {
			if text != presentation.Text(text, -1) || len(text) > 2*maxDetail {
				t.Errorf("%q is shown", text)
			}
		}
	})
}
