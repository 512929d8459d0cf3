// Package resolver asks. It sends one question to one endpoint and says what
// came back, in the words of package monitor.
//
// # Basics
//
//   - [Asker] asks over UDP, TCP, TLS and HTTPS, and through getent(1). It
//     never looks a host up: an endpoint is an address, so that no lookup that
//     could itself be poisoned comes before the question. The one exception is
//     a proxy that the environment names.
//     [Asker.Ask] writes the query and reads the response; [Asker.Exchange] has
//     both in the caller's hands, for those who need records beside the answer.
//   - [Operator] is an entry of the [Catalogue] of public operators: where they
//     can be asked in the clear, over TLS and over HTTPS, and what certificate
//     they show.
//   - [SystemResolvers] follows the nameservers of resolv.conf, which is what
//     applications on this host use, and the C library's own lookup.
//   - [Stats] counts, for each endpoint, what was sent and what came back.
//
// # How a question travels
//
// Over UDP each try has a socket of its own, connected to the endpoint, so that
// the kernel drops what comes from elsewhere. What comes from the right place
// must also carry the random id, the question and the cookie of the query
// (RFC 5452 §9.1, RFC 7873 §5.3); anything else is counted and reading goes on,
// because a forgery that guesses wrong must not end the wait for the real
// answer. After the first answer the socket lingers: a second, different answer
// to one query is the plainest sign that somebody forges them, and a closed
// socket would turn it into an ICMP error that nobody sees.
//
// Over TCP, TLS and HTTPS one connection per endpoint carries many questions at
// once (RFC 7766 §6.2.1, RFC 8484 §5.2) and is kept while it is of use. An
// endpoint that does not prove its name is an error, never a fallback.
//
// Over HTTPS a question is posted, with the id 0 (RFC 8484 §4.1), padded as over
// TLS (RFC 8467 §4.1), and without what would tell clients apart: no cookie of
// HTTP, no User-Agent. Redirections are not followed. Time that the response
// spent in a cache of HTTP is taken off its TTLs (RFC 8484 §5.1). HTTP/1.1 is
// not spoken.
//
// The C library is asked by `getent ahosts`, so that /etc/hosts, the modules of
// nsswitch.conf and their caches are seen. It is asked for the name as it
// stands, without search domains. Its answer has addresses and no TTL; that it
// has none of a family says nothing.
//
// # Caveats
//
//   - A truncated answer is asked for again over TCP at the same address; the
//     observation then has the content of the TCP answer under the transport of
//     the endpoint, "udp".
//   - Of an answer section at most 512 records are kept, and none of another
//     class than IN.
//   - Upper and lower case of the name in the question are mixed at random. A
//     response that does not echo the case is accepted, as some servers do not,
//     and counted.
//   - An endpoint that fails is asked again at the next question: to turn to
//     another for a while is for who chooses endpoints, package monitor.
//   - A peer that breaks HTTP/2 has package net/http write a line to the
//     standard logger, for which it knows no other place.
//   - Ask does not set the DO bit, and FORMERR does not lead to a query without EDNS.
//   - Text that an endpoint controls is printable ASCII wherever it ends up in
//     an observation, including Error.
package resolver
