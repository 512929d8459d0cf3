package resolver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serverName = "dns.example"

var discard = slog.New(slog.DiscardHandler)

var question = monitor.Question{Name: "api.partner.example.", Type: monitor.TypeA}

// ignoreTimes leaves out of a comparison what differs each time.
var ignoreTimes = cmp.Options{
	cmpopts.IgnoreFields(monitor.Observation{}, "At", "RTT", "TXID"),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func newAsker(t testing.TB, cfg Config) *Asker {
	t.Helper()
	a := New(cfg, discard)
	t.Cleanup(a.Close)
	return a
}

// at is a resolver of the given transport on loopback.
func at(tr monitor.Transport, addr net.Addr) monitor.Resolver {
	r := monitor.Resolver{
		Name: "test", Operator: "tester", Role: monitor.Reference, Transport: tr,
		Addr: netip.MustParseAddrPort(addr.String()),
	}
	if r.Encrypted() {
		r.TLSName = serverName
	}
	return r
}

// only gives the counters of the one endpoint that was asked.
func only(t testing.TB, a *Asker) Stats {
	t.Helper()
	all := a.Stats()
	if len(all) != 1 {
		t.Fatalf("Stats() has %d endpoints, want 1", len(all))
	}
	return all[0]
}

// addresses gives the data of the records, which is all that most tests look at.
func addresses(o monitor.Observation) []string {
	var all []string
	for _, r := range o.Records {
		all = append(all, r.Data)
	}
	return all
}

func wantAnswer(t testing.TB, o monitor.Observation, want ...string) {
	t.Helper()
	if o.Error != "" {
		t.Fatalf("Error = %q, want an answer", o.Error)
	}
	if diff := cmp.Diff(want, addresses(o)); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
}

func wantError(t testing.TB, o monitor.Observation, want string) {
	t.Helper()
	if o.Error != want {
		t.Fatalf("Error = %q, want %q", o.Error, want)
	}
}

// answer is a response to m with records in zone file form.
func answer(m *dns.Msg, records ...string) *dns.Msg {
	r := new(dns.Msg).SetReply(m)
	r.RecursionAvailable = true
	for _, s := range records {
		rr, err := dns.NewRR(s)
		if err != nil {
			panic(err)
		}
		r.Answer = append(r.Answer, rr)
	}
	return r
}

// a is a response to m with one address.
func a(m *dns.Msg, addr string) *dns.Msg { return answer(m, m.Question[0].Name+" 300 IN A "+addr) }

func pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// udpServer calls handle for each datagram, one after the other. send answers
// from the address that was asked.
func udpServer(t testing.TB, handle func(raw []byte, q *dns.Msg, from netip.AddrPort, send func([]byte))) net.Addr {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			raw := append([]byte(nil), buf[:n]...)
			q := new(dns.Msg)
			if err := q.Unpack(raw); err != nil {
				t.Errorf("query: %v", err)
				return
			}
			handle(raw, q, from, func(b []byte) { c.WriteToUDPAddrPort(b, from) })
		}
	})
	t.Cleanup(func() { c.Close(); wg.Wait() })
	return c.LocalAddr()
}

// streamServer calls handle for each connection, in a goroutine of its own, and
// closes the connection afterwards. conf is nil for TCP.
func streamServer(t testing.TB, conf *tls.Config, handle func(net.Conn)) net.Addr {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Go(func() {
		for {
			tcp, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, tcp)
			mu.Unlock()
			wg.Go(func() {
				defer tcp.Close()
				c := tcp
				if conf != nil {
					c = tls.Server(tcp, conf)
				}
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return addr
}

// receive reads one query from a stream; nil is its end.
func receive(c io.Reader) (*dns.Msg, []byte) {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, nil
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, nil
	}
	m := new(dns.Msg)
	if m.Unpack(b) != nil {
		return nil, nil
	}
	return m, b
}

func framed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// honest answers every query on a stream, until its end.
func honest(c net.Conn) {
	for {
		m, _ := receive(c)
		if m == nil {
			return
		}
		c.Write(framed(pack(a(m, "192.0.2.1"))))
	}
}

// pipe is a connection without a network. Its server reads what it is asked to.
func pipe(cfg Config) (*Asker, *conn, net.Conn) {
	client, server := net.Pipe()
	asker := New(cfg, discard)
	c := &conn{
		Conn: client, asker: asker, link: &link{}, n: new(tally), out: make(chan []byte, outgoing),
		done: make(chan struct{}), pending: map[uint16]*pending{},
	}
	asker.conns[c] = struct{}{}
	asker.wg.Go(c.read)
	asker.wg.Go(c.write)
	return asker, c, server
}

// authority certifies servers for tests.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	ca := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: fmt.Sprintf("test CA %p", ca)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca.key, ca.cert = ca.sign(template, nil)
	ca.pool.AddCert(ca.cert)
	return ca
}

func (ca *authority) sign(template *x509.Certificate, parent *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	ca.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	signer := key
	if parent == nil {
		parent = template
	} else {
		signer = ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		ca.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		ca.t.Fatal(err)
	}
	return key, cert
}

// leaf certifies name until a time.
func (ca *authority) leaf(name string, until time.Time) tls.Certificate {
	ca.t.Helper()
	key, cert := ca.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.cert)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// server is a configuration with a good certificate.
func (ca *authority) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{ca.leaf(serverName, time.Now().Add(time.Hour))}, NextProtos: []string{"dot"}}
}
