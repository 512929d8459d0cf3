// Package world is a small Internet in network namespaces: a client behind a
// router and its provider's resolver, four public resolvers of four makes, a
// signed root with its zones, honest web servers and an attacker's, and a host
// to which alerts are sent. Real programs run in all of them.
//
//	client   10.77.0.10 ─┐                       ┌─ isp  198.18.1.53   unbound, validating
//	                     ├─ lan ─ router ─ inet ─┼─ pub1 198.18.11.1   unbound
//	attacker 10.77.0.66 ─┘   10.77.0.1 dnsmasq   ├─ pub2 198.18.12.1   BIND
//	                         to isp; NAT         ├─ pub3 198.18.13.1   Knot Resolver
//	                                             ├─ pub4 198.18.14.1   dnsdist before PowerDNS
//	                                             ├─ auth 198.18.50.1-5 NSD, Knot DNS, BIND with views
//	                                             ├─ web  198.18.60.x and 198.18.20.10 nginx
//	                                             ├─ evil 198.18.66.66  nginx with names that are not its own
//	                                             └─ ops  198.18.70.1   who is told
//
// Enter puts the process into mount, process and network namespaces of its own,
// without any link to the outside: nothing in a world can reach another address
// than the world's, and nothing is left of it when the process ends, however it
// ends.
package world
