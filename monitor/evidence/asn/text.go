package asn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxLine = 4 << 10 // bytes
	// maxRows bounds the memory of a table, at 40 bytes a row. The routes of the
	// whole internet are 1.3 million; tables of ranges have half of that.
	maxRows = 2_000_000
	maxOrg  = 128 // bytes
)

// readText reads CSV, or the same with tabs.
func readText(r io.Reader) (source, error) {
	limited := &io.LimitedReader{R: r, N: maxText + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	b := builder{index: map[Network]uint32{}}
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		fields, err := split(line)
		if err == nil {
			if !b.begun && columnNames(fields) {
				b.begun = true
				continue
			}
			b.begun = true
			err = b.row(fields)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: longer than %d bytes", n+1, maxLine)
	case err != nil:
		return nil, fmt.Errorf("after line %d: %w", n, err)
	case limited.N <= 0:
		return nil, fmt.Errorf("more than %d bytes of text", maxText)
	case len(b.v4)+len(b.v6) == 0:
		return nil, errors.New("no network in it")
	}
	return b.build()
}

// split gives the fields of a line. One with a tab in it is separated by tabs
// and has no quotation marks but its own: iptoasn.com writes them as they are.
func split(line string) ([]string, error) {
	if strings.Contains(line, "\t") {
		return strings.Split(line, "\t"), nil
	}
	if !strings.Contains(line, `"`) {
		return strings.Split(line, ","), nil
	}
	var fields []string
	for {
		quoted, ok := strings.CutPrefix(line, `"`)
		if !ok {
			field, rest, more := strings.Cut(line, ",")
			fields = append(fields, field)
			if !more {
				return fields, nil
			}
			line = rest
			continue
		}
		var field strings.Builder
		for {
			text, rest, closed := strings.Cut(quoted, `"`)
			if !closed {
				return nil, errors.New("a quotation mark is not closed")
			}
			field.WriteString(text)
			if quoted, ok = strings.CutPrefix(rest, `"`); ok { // two stand for one
				field.WriteByte('"')
				continue
			}
			fields = append(fields, field.String())
			if rest == "" {
				return fields, nil
			}
			if line, ok = strings.CutPrefix(rest, ","); !ok {
				return nil, errors.New("text after a closing quotation mark")
			}
			break
		}
	}
}

// columnNames reports whether fields are the names of columns: words where a
// network and a number should be.
func columnNames(fields []string) bool {
	return len(fields) > 1 && !strings.ContainsAny(fields[0], "0123456789.:/") && !strings.ContainsAny(fields[1], "0123456789")
}

// row reads one row and adds it.
func (b *builder) row(fields []string) error {
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	first, last, isRange, err := block(fields)
	if err != nil {
		return err
	}
	rest, columns := fields[1:], "a prefix, its number, its name and shared"
	if isRange {
		rest, columns = fields[2:], "two addresses, their number, country, name and shared"
		if len(rest) > 1 { // the country says nothing here
			rest = append(rest[:1:1], rest[2:]...)
		}
	}
	if len(rest) == 0 || len(rest) > 3 {
		return fmt.Errorf("%d columns: want %s; a name with commas in it stands in quotation marks", len(fields), columns)
	}
	var n Network
	if n.ASN, err = number(rest[0]); err != nil {
		return err
	}
	if len(rest) > 1 {
		n.Org = printable(rest[1])
	}
	if len(rest) > 2 {
		switch rest[2] {
		case "":
		case "shared":
			n.Shared = true
		default:
			return fmt.Errorf("want shared or nothing in the last column, not %q", shortened(rest[2]))
		}
	}
	return b.add(first, last, n)
}

// block reads what a row is about.
func block(fields []string) (first, last netip.Addr, isRange bool, err error) {
	if strings.Contains(fields[0], "/") {
		p, err := netip.ParsePrefix(fields[0])
		switch {
		case err != nil:
			return first, last, false, fmt.Errorf("want a prefix such as 203.0.113.0/24, not %q", shortened(fields[0]))
		case p.Addr().Is4In6():
			return first, last, false, fmt.Errorf("%s is IPv4 in the form of IPv6: write it as IPv4", p)
		case p != p.Masked():
			return first, last, false, fmt.Errorf("%s has bits beyond its length: did you mean %s?", p, p.Masked())
		}
		return p.Addr(), lastOf(p), false, nil
	}
	if first, err = netip.ParseAddr(fields[0]); err != nil || first.Zone() != "" {
		return first, last, false, fmt.Errorf("want a prefix such as 203.0.113.0/24, or an address, not %q", shortened(fields[0]))
	}
	last = first
	if len(fields) > 1 {
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			last, isRange = a, true
		}
	}
	switch {
	case first.Is4In6() || last.Is4In6():
		return first, last, isRange, fmt.Errorf("%s is IPv4 in the form of IPv6: write it as IPv4", first)
	case first.Is4() != last.Is4() || last.Zone() != "" || last.Less(first):
		return first, last, isRange, fmt.Errorf("%s to %s is no range", first, last)
	}
	return first, last, isRange, nil
}

// number reads the number of an autonomous system (RFC 5396 §2, asplain).
func number(s string) (uint32, error) {
	digits := s
	if len(s) > 2 && strings.EqualFold(s[:2], "AS") {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("want a number such as 64500 or AS64500, not %q", shortened(s))
	}
	return uint32(n), nil
}

// printable gives s as one line that a terminal may be shown, cut to maxOrg.
// Who registers a network chooses what it is called.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) <= maxOrg {
		return s
	}
	end := maxOrg
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// shortened gives what an error quotes of a field.
func shortened(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
