//go:build lab

package world

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Dig asks a server a question about addresses from the host, as dig does: over
// UDP with EDNS, and over TCP where the answer was truncated. It gives the data of
// the answer's records on one line, or the response code, in capitals, where there
// are none. With options it is dig(1) itself that asks.
func (h *Host) Dig(server, name, kind string, options ...string) (string, error) {
	types := map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA}
	if t, ok := types[kind]; ok && len(options) == 0 {
		return h.ask(server, name, t)
	}
	args := append([]string{"@" + server, name, kind, "+tries=1", "+time=2", "+noall", "+comments", "+answer"}, options...)
	out, err := h.Run("dig", args...)
	if err != nil {
		return "", err
	}
	var data []string
	code := ""
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if _, after, ok := strings.Cut(line, "status: "); ok {
			code, _, _ = strings.Cut(after, ",")
		}
		if !strings.HasPrefix(line, ";") && len(fields) >= 5 && fields[3] != "RRSIG" {
			data = append(data, strings.Join(fields[4:], " "))
		}
	}
	if code != "NOERROR" || len(data) == 0 {
		return code, nil
	}
	return strings.Join(data, " "), nil
}

// patience is how long an answer may take.
const patience = 2 * time.Second

func (h *Host) ask(server, name string, t dnsmessage.Type) (string, error) {
	id := uint16(rand.Uint32())
	query, err := question(id, name, t)
	if err != nil {
		return "", err
	}
	for _, network := range []string{"udp", "tcp"} {
		m, err := h.exchange(network, net.JoinHostPort(server, "53"), id, query)
		if err != nil {
			return "", fmt.Errorf("%s asks %s for %s: %w", h.Name, server, name, err)
		}
		if !m.Truncated {
			return short(m), nil
		}
	}
	return "", fmt.Errorf("%s: truncated over TCP", server)
}

func question(id uint16, name string, t dnsmessage.Type) ([]byte, error) {
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, err
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true, AuthenticData: true})
	var opt dnsmessage.ResourceHeader
	for _, step := range []func() error{
		b.StartQuestions,
		func() error { return b.Question(dnsmessage.Question{Name: n, Type: t, Class: dnsmessage.ClassINET}) },
		b.StartAdditionals,
		func() error { return opt.SetEDNS0(1232, dnsmessage.RCodeSuccess, false) },
		func() error { return b.OPTResource(opt, dnsmessage.OPTResource{}) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

func (h *Host) exchange(network, server string, id uint16, query []byte) (m dnsmessage.Message, err error) {
	c, err := h.Dial(network, server)
	if err != nil {
		return m, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return m, err
	}
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := c.Write(query); err != nil {
		return m, err
	}
	buf := make([]byte, 1<<16)
	for {
		n := 0
		if network == "tcp" {
			if _, err := io.ReadFull(c, buf[:2]); err != nil {
				return m, err
			}
			n = int(binary.BigEndian.Uint16(buf))
			_, err = io.ReadFull(c, buf[:n])
		} else {
			n, err = c.Read(buf)
		}
		if err != nil {
			return m, err
		}
		if err := m.Unpack(buf[:n]); err == nil && m.ID == id && m.Response {
			return m, nil
		}
	}
}

// short is the answer in short form.
func short(m dnsmessage.Message) string {
	var data []string
	for _, r := range m.Answers {
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			data = append(data, net.IP(b.A[:]).String())
		case *dnsmessage.AAAAResource:
			data = append(data, netip.AddrFrom16(b.AAAA).String())
		case *dnsmessage.CNAMEResource:
			data = append(data, b.CNAME.String())
		}
	}
	if m.RCode == dnsmessage.RCodeSuccess && len(data) > 0 {
		return strings.Join(data, " ")
	}
	return map[dnsmessage.RCode]string{
		dnsmessage.RCodeSuccess: "NOERROR", dnsmessage.RCodeFormatError: "FORMERR", dnsmessage.RCodeServerFailure: "SERVFAIL",
		dnsmessage.RCodeNameError: "NXDOMAIN", dnsmessage.RCodeNotImplemented: "NOTIMP", dnsmessage.RCodeRefused: "REFUSED",
	}[m.RCode]
}
