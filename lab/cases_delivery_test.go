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
	"slices"
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
	{
		// Port 53 is bent for all of them at once: that calls a few times, not ten.
		ID: "C61", Title: "the router sends UDP to port 53 to a resolver that lies about all of ten names", Name: "www.bank.lab",
		Config: Config{Watches: stormWatches},
		Cause:  divert(udp53, "shop.lab", "bank.lab"), Verdict: monitor.Poisoned,
		Want:   []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath, Name: "*"}},
		Listed: []Want{{Kind: monitor.PathRedirected, Severity: "medium", Name: "*"}},
		Also:   oneIncident(len(stormWatches)),
	},
}

// stormWatches are ten names behind TLS, of two zones and with two owners.
var stormWatches = []string{
	watch("www.bank.lab", "secret_names: [BANK_KEY]", "owner: payments"), watch("login.bank.lab"), watch("v4only.bank.lab"),
	watch("www.shop.lab", "secret_names: [SHOP_KEY]", "owner: sales"), watch("shop.lab"), watch("six.shop.lab"),
	watch("ten.shop.lab"), watch("short.shop.lab"), watch("long.shop.lab"), watch("month.shop.lab"),
}

// oneIncident checks that few alerts were told of as opened, and that one stands
// for all names.
func oneIncident(names int) func(r *Run) error {
	return func(r *Run) error {
		return within(20*time.Second, func() error {
			opened, most := 0, 0
			for _, h := range r.s.alerts() {
				if h.kind == monitor.AlertOpened {
					opened++
				}
				if h.alert.IsIncident() && slices.Equal(h.alert.Owners, []string{"payments", "sales"}) && slices.Equal(h.alert.Exposure.SecretNames, []string{"BANK_KEY", "SHOP_KEY"}) {
					most = max(most, len(h.alert.Names))
				}
			}
			if opened > 5 || most != names {
				return fmt.Errorf("%d alerts were opened, and one stands for %d names of %d: %s", opened, most, names, r.instead())
			}
			return nil
		})
	}
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
