package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

const (
	width  = 112 // the column that the right part of a heading ends at
	widest = 120 // no line is longer, but for a single word that is
	label  = 11  // columns of a label
)

// printer keeps the first error of its writer.
type printer struct {
	w   io.Writer
	err error
}

// line writes one line, or as many as it takes, those after the first indented.
func (p *printer) line(format string, args ...any) {
	p.fold(4, fmt.Sprintf(format, args...))
}

// fold writes text with everything after its first line indented.
func (p *printer) fold(indent int, text string) {
	for i, s := range wrap(Printable(text), widest, widest-indent) {
		if i > 0 {
			s = strings.Repeat(" ", indent) + s
		}
		if p.err == nil {
			_, p.err = io.WriteString(p.w, s+"\n")
		}
	}
}

// heading writes text, more of it, and something at the right end of the line.
// What finds no room beside text goes below it.
func (p *printer) heading(text, more, right string) {
	text, more, right = Printable(text), Printable(more), Printable(right)
	if more != "" {
		whole := text + "   " + more
		if right == "" || columns(whole)+2+columns(right) <= widest {
			text, more = whole, ""
		}
	}
	gap := max(2, width-columns(text)-columns(right))
	if right != "" && columns(text)+gap+columns(right) > widest {
		p.fold(4, text)
		p.fold(4, "    "+right)
	} else {
		p.fold(4, text+strings.Repeat(" ", gap)+right)
	}
	if more != "" {
		p.fold(4, "    "+more)
	}
}

// field writes one entry under a label, which stands before the first one only.
func (p *printer) field(name string, i int, format string, args ...any) {
	if i > 0 {
		name = ""
	}
	p.fold(label+4, fmt.Sprintf("  %-*s  %s", label, name, fmt.Sprintf(format, args...)))
}

// tagged writes an entry like field, with a tag at the right of its first line.
func (p *printer) tagged(name string, i int, text, tag string) {
	if i > 0 {
		name = ""
	}
	tag = Printable(tag)
	room := max(40, widest-label-4-columns(tag)-2)
	for n, s := range wrap(Printable(text), room, room) {
		if n > 0 {
			name, tag = "", ""
		}
		s += strings.Repeat(" ", max(0, room-columns(s)))
		p.fold(label+4, fmt.Sprintf("  %-*s  %s  %s", label, name, s, tag))
	}
}

// rightToLeft are the scripts that would turn around what stands beside them.
var rightToLeft = &unicode.RangeTable{
	R16: []unicode.Range16{{0x0590, 0x08ff, 1}, {0xfb1d, 0xfdff, 1}, {0xfe70, 0xfeff, 1}},
	R32: []unicode.Range32{{0x10800, 0x10fff, 1}, {0x1e800, 0x1efff, 1}},
}

// Printable replaces, by question marks, what a terminal or a log would act
// on: control and format characters, marks that pile up on others, scripts that
// run from right to left, and octets that are no text.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.IsMark(r) || unicode.Is(rightToLeft, r) {
			return '?'
		}
		return r
	}, s)
}

// columns is how wide a terminal shows s, at most.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

// cells counts every character from Hangul on as a wide one: some are.
func cells(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}

// wrap breaks s at spaces into lines of so many columns for the first and for
// the others. A word that is longer has a line of its own.
func wrap(s string, first, next int) []string {
	var lines []string
	for {
		end := fits(s, first)
		lines = append(lines, strings.TrimRight(s[:end], " "))
		if s = strings.TrimLeft(s[end:], " "); s == "" {
			return lines
		}
		first = next
	}
}

// fits is how much of s goes on one line.
func fits(s string, most int) int {
	end, n, word := 0, 0, false
	for i, r := range s {
		if r != ' ' {
			word = true
		} else if word {
			end = i
		}
		if n += cells(r); n > most && end > 0 {
			return end
		}
	}
	return len(s)
}
