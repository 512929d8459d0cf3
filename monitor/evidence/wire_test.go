package evidence

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestNothingIsSaid is the promise that a proof tells a server nothing but the
// name: no request, no client certificate, and a proper farewell.
func TestNothingIsSaid(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequestClientCert} {
			t.Run(tls.VersionName(version)+" "+auth.String(), func(t *testing.T) {
				cfg := with(ca.issue(t, nil))
				cfg.MaxVersion, cfg.ClientAuth, cfg.NextProtos = version, auth, []string{"h2"}
				at, got := serveTLS(t, cfg)
				if e := proverFor(ca, nil).Prove(t.Context(), proofOf(at)); e.Outcome != monitor.OutcomeOK {
					t.Fatalf("Prove = %s %q", e.Outcome, e.Detail)
				}
				want := received{data: []byte{}, name: host, alpn: "h2", version: version}
				if diff := cmp.Diff(want, <-got, cmp.AllowUnexported(received{})); diff != "" {
					t.Errorf("the server received (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// tap is a connection that keeps what was read.
type tap struct {
	net.Conn
	read []byte
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read = append(c.read, b[:n]...)
	return n, err
}

// TestRecords looks at every record that a client sends.
func TestRecords(t *testing.T) {
	const changeCipherSpec, alert, handshake, encrypted = 20, 21, 22, 23
	tests := map[uint16][]byte{
		// ClientHello, ClientKeyExchange, ChangeCipherSpec, Finished, close_notify.
		tls.VersionTLS12: {handshake, handshake, changeCipherSpec, handshake, alert},
		// The like, where the last two are Finished and close_notify (RFC 8446 §5.2).
		tls.VersionTLS13: {handshake, changeCipherSpec, encrypted, encrypted},
	}
	ca := newAuthority(t, "Example CA")
	for version, want := range tests {
		cfg := with(ca.issue(t, nil))
		cfg.MaxVersion = version
		kinds := make(chan []byte, 1)
		at := serve(t, func(raw net.Conn) {
			c := &tap{Conn: raw}
			io.ReadAll(tls.Server(c, cfg))
			io.Copy(io.Discard, c)
			var got []byte
			for b := c.read; len(b) >= 5; {
				got = append(got, b[0])
				b = b[min(len(b), 5+int(binary.BigEndian.Uint16(b[3:]))):]
			}
			kinds <- got
		})
		if e := proverFor(ca, nil).Prove(t.Context(), proofOf(at)); e.Outcome != monitor.OutcomeOK {
			t.Fatalf("Prove = %s %q", e.Outcome, e.Detail)
		}
		if diff := cmp.Diff(want, <-kinds); diff != "" {
			t.Errorf("%s: records (-want +got):\n%s", tls.VersionName(version), diff)
		}
	}
}
