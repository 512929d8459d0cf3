package main

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Bounds of one configuration file. The parser calls itself for each level, and
// its time grows with the square of the depth and of the keys in one mapping:
// without these a small file ends the daemon or keeps it busy for minutes.
const (
	maxFile   = 1 << 20 // bytes
	maxTokens = 100_000
	maxDepth  = 32
)

const noAnchors = "anchors, aliases and tags are not understood here: write it out"

// text finds what cannot be read as a text at all.
func (d *decoder) text(text []byte) bool {
	if len(text) > maxFile {
		d.at(1, 1, "the file is larger than %d bytes: put watches into several files in watches.d", maxFile)
		return false
	}
	for i, line := range bytes.Split(text, []byte("\n")) {
		for col := 1; len(line) > 0; col++ {
			r, n := utf8.DecodeRune(line)
			if r == utf8.RuneError && n == 1 {
				d.at(i+1, col, "byte 0x%02x is not UTF-8: save the file as UTF-8", line[0])
				return false
			}
			if r < ' ' && r != '\t' && !(r == '\r' && len(line) == 1) || r == 0x7f {
				d.at(i+1, col, "the character %U is not text", r)
				return false
			}
			line = line[n:]
		}
	}
	return true
}

// shape finds what would cost the parser more than a configuration may.
func (d *decoder) shape(ts token.Tokens) bool {
	if len(ts) > maxTokens {
		p := ts[maxTokens].Position
		d.at(p.Line, p.Column, "more than %d words and signs: put watches into several files in watches.d", maxTokens)
		return false
	}
	var block []int // columns of the open levels outside of brackets
	brackets, run, anchors := 0, 0, 0
	for i, t := range ts {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
			run = 0
		case token.MappingEndType, token.SequenceEndType:
			brackets = max(0, brackets-1)
			run = 0
		case token.CollectEntryType:
			run = 0
		case token.AnchorType, token.AliasType, token.TagType:
			anchors++
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			if brackets > 0 {
				run++
				break
			}
			col := t.Position.Column
			if t.Type == token.MappingValueType && i > 0 && ts[i-1].Position.Line == t.Position.Line {
				col = ts[i-1].Position.Column // a level begins where its key does
			}
			for len(block) > 0 && block[len(block)-1] >= col {
				block = block[:len(block)-1]
			}
			block = append(block, col)
		}
		switch {
		case len(block)+brackets+run > maxDepth:
			d.at(t.Position.Line, t.Position.Column, "nested more than %d levels deep", maxDepth)
			return false
		case anchors > maxDepth: // a few are told of one by one, beside other problems
			d.at(t.Position.Line, t.Position.Column, noAnchors)
			return false
		}
	}
	return true
}

func (d *decoder) at(line, col int, format string, args ...any) {
	d.problems = append(d.problems, problem{position{file: d.file, line: line, col: col}, fmt.Sprintf(format, args...)})
}

// plain reports whether n is free of anchors, aliases and tags, and tells of
// them; it is for what another decoder reads.
func (d *decoder) plain(n ast.Node) bool {
	before := len(d.problems)
	ast.Walk(anchorFinder{d}, n)
	return len(d.problems) == before
}

type anchorFinder struct{ d *decoder }

// Visit implements ast.Visitor.
func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		f.d.fail(n, noAnchors)
		return nil
	}
	return f
}
