// Package asn says who announces an address. A [Table] is read whole from a
// file of the user's: nothing is asked of anybody, and the file may be replaced
// while the table is in use.
//
// # Files
//
// Any of these, gzipped or not; which one is seen from what is in the file.
//
//   - MaxMind DB, of MaxMind, DB-IP or IPinfo.
//   - CSV, or with tabs: prefix, number, name, and "shared" where whoever pays
//     has addresses in that network. The last two may be missing.
//   - The same by ranges, as iptoasn.com has it: first address, last address,
//     number, country, name, and "shared".
//
// Numbers are written 64500 or AS64500. In text, lines that begin with '#' and
// a first line of column names do not count, and fields in CSV may be in
// quotation marks (RFC 4180) but not reach beyond the line.
//
// # Lookup
//
// The narrowest network around an address counts. Networks in text lie one
// inside the other or apart; the first of two that are equal counts, so that a
// prefix with several origins has one. One of number 0 is a hole: nobody
// announces what is in it.
//
// # Caveats
//
//   - A table is as old as its file, and an origin says who announces an
//     address, not who uses it.
//   - Where a row is a range, the prefix of an answer is the widest one in the
//     range around the address, which need not be announced as such.
//   - An IPv4 address behind NAT64 (RFC 6052) is looked up as the IPv6 address
//     that it is written as.
package asn
