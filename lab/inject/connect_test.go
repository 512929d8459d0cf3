//go:build lab

package inject

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

func TestConnect(t *testing.T) {
	ca := newCA(t)
	site := ca.site(t, loopback, "www.bank.lab", "genuine")
	resolver := serve(t, zone(t, "www.bank.lab. 60 IN A 127.0.0.1"))
	port := site.Port()
	for _, c := range []struct {
		method, target string
		namesOnly      bool
		status         int
	}{
		{"CONNECT", fmt.Sprintf("www.bank.lab:%d", port), false, http.StatusOK},
		{"CONNECT", fmt.Sprintf("www.bank.lab:%d", port), true, http.StatusOK},
		{"CONNECT", site.String(), false, http.StatusOK},
		{"CONNECT", site.String(), true, http.StatusForbidden},
		{"CONNECT", "no.bank.lab:443", true, http.StatusBadGateway},
		{"CONNECT", "127.0.0.1:1", false, http.StatusBadGateway},
		{"CONNECT", "www.bank.lab", false, http.StatusBadRequest},
		{"GET", "www.bank.lab", false, http.StatusMethodNotAllowed},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			p, err := Connect(here, loopback, ConnectOptions{Resolver: resolver.Addr(), NamesOnly: c.namesOnly})
			if err != nil {
				t.Fatal(err)
			}
			stopAtEnd(t, before, p.Stop)
			conn, err := net.Dial("tcp", p.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			path := c.target
			if c.method == "GET" {
				path = "http://" + c.target + "/"
			}
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", c.method, path, c.target)
			resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: c.method})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "status", c.status, resp.StatusCode)
			same(t, "opened", c.status == http.StatusOK, p.Count() == 1)
			if c.method == "CONNECT" {
				same(t, "targets", map[string]int{c.target: 1}, p.Targets())
			}
			if c.status != http.StatusOK {
				_, err := io.Copy(io.Discard, conn)
				same(t, "closed", nil, err)
				return
			}
			said, err := ca.visit(conn, "www.bank.lab")
			same(t, "error", nil, err)
			same(t, "page", "genuine", said)
		})
	}
}
