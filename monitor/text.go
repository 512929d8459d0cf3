package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// RunbookBase is where the runbook of each kind is found.
const RunbookBase = "https://github.com/dnstaster/dnstaster/blob/main/docs/runbooks/"

// Phrase says in people's words what the kind is.
func (k Kind) Phrase() string {
	switch k {
	case PathRewritten:
		return "port 53 from here is answered by someone else, with lies"
	case PathInjection:
		return "someone on the way answers before the resolver does"
	case AttackAttempt:
		return "someone forges answers"
	case ResolverCache:
		return "a resolver gives a false answer"
	case LocalHost:
		return "this host itself was changed to give a false answer"
	case LocalNet:
		return "somebody on this network answers for the resolver, or has hosts ask one that lies"
	case Rebinding:
		return "a public name is answered with a special-purpose address"
	case AuthorityHijack:
		return "the name itself changed hands or was moved"
	case TLSIntercepted:
		return "someone poses as an encrypted resolver"
	case PathRedirected:
		return "port 53 from here is answered by someone else, so far honestly"
	case LocalProxy:
		return "on this host itself port 53 is led elsewhere, so far to honest answers"
	case PathRelayed:
		return "someone on the way relays TLS connections, and sees who talks to whom"
	case NXRewritten:
		return "a resolver makes up addresses for names that do not exist"
	case Denial:
		return "a resolver denies a name that exists"
	case PolicyBlock:
		return "a resolver blocks the name"
	}
	return string(k)
}

// restsOn reports whether one of these rules is among the reasons.
func (a Alert) restsOn(rules ...string) bool {
	return slices.ContainsFunc(a.Reasons, func(r Reason) bool { return slices.Contains(rules, r.Rule) })
}

// claim says in people's words what an alert is about.
func claim(a Alert) string {
	name := strings.TrimSuffix(a.Name, ".")
	switch a.Kind {
	case PathRewritten:
		return fmt.Sprintf("port 53 from here is answered by someone else, with lies about %s", name)
	case PathInjection:
		return fmt.Sprintf("someone between here and %s answers first, with lies about %s", orThe(server(a.Resolver), "the resolver"), name)
	case AttackAttempt:
		if !a.rests("dup.conflict") {
			end := "; what was accepted is right"
			if a.Verdict == Suspicious {
				end = ", and nothing shows that what was accepted is right"
			}
			return fmt.Sprintf("someone forges packets in the name of %s while it is asked for %s%s", orThe(server(a.Resolver), "the resolver"), name, end)
		}
		if a.Verdict == Suspicious {
			return fmt.Sprintf("queries for %s get two answers that contradict each other, one of them forged", name)
		}
		return fmt.Sprintf("someone forges answers for %s; the one that was accepted is right", name)
	case LocalHost:
		switch {
		case a.restsOn("resp.lo_nonlocal", "probe.no_wire"):
			return fmt.Sprintf("on this host itself questions to %s are led elsewhere, to lies about %s", orThe(server(a.Resolver), "the resolver"), name)
		case a.restsOn("host.resolv_conf"):
			return fmt.Sprintf("this host was made to ask %s, which gives a false answer for %s", a.Resolver, name)
		}
		return fmt.Sprintf("this host itself gives a false answer for %s, and its nameservers do not", name)
	case LocalNet:
		if a.restsOn("l2.source_changed") {
			return fmt.Sprintf("a machine on this network stands between this host and %s, with lies about %s", orThe(server(a.Resolver), "the resolver"), name)
		}
		return fmt.Sprintf("somebody on this network has this host ask %s, which gives a false answer for %s", orThe(a.Resolver, "another resolver"), name)
	case ResolverCache:
		if a.Attribution == AtResolver {
			return fmt.Sprintf("resolver %s gives a false answer for %s", a.Resolver, name)
		}
		return fmt.Sprintf("%s is answered with an address that does not prove the name, by %s or on the way to it", name, a.Resolver)
	case Rebinding:
		return fmt.Sprintf("%s, a public name, is answered with a special-purpose address by %s", name, a.Resolver)
	case AuthorityHijack:
		if slices.ContainsFunc(a.Reasons, func(r Reason) bool { return r.Rule == "auth.ns_split" }) {
			return fmt.Sprintf("one of the zone's own name servers, or the way to it, gives a false answer for %s", name)
		}
		return fmt.Sprintf("%s itself changed hands or was moved", name)
	case TLSIntercepted:
		return fmt.Sprintf("someone between here and %s poses as it: it does not prove its name, and is no witness", a.Resolver)
	case PathRedirected:
		return "port 53 from here is answered by someone else; nothing false was heard from it so far"
	case LocalProxy:
		return fmt.Sprintf("on this host itself questions to %s are led elsewhere; nothing false was heard from there so far", orThe(server(a.Resolver), "the resolver"))
	case PathRelayed:
		return fmt.Sprintf("someone on the way leads connections through %s, which relays TLS: it cannot read it, and sees who talks to whom", join(a.Observed, "an address of its own"))
	case NXRewritten:
		return fmt.Sprintf("%s makes up addresses for names that do not exist; what it says of those that do is right so far", a.Resolver)
	case Denial:
		return fmt.Sprintf("%s says that %s does not exist, and others give it", a.Resolver, name)
	case PolicyBlock:
		return fmt.Sprintf("%s blocks %s, and nobody declared that", a.Resolver, name)
	}
	return fmt.Sprintf("%s: %s", a.Kind, name)
}

// rests reports whether a rule is among the reasons of the alert.
func (a Alert) rests(rule string) bool {
	return slices.ContainsFunc(a.Reasons, func(r Reason) bool { return r.Rule == rule })
}

// wouldChange says what would turn a judgement around.
func wouldChange(k Kind, observed []string, name string) string {
	at := "the answered address"
	if len(observed) > 0 {
		at = observed[0]
	}
	switch k {
	case AttackAttempt:
		if len(observed) == 0 {
			return fmt.Sprintf("whoever sends these packets being known to you, and %s still being right once they end", name)
		}
		return fmt.Sprintf("a valid certificate for %s at %s: then both answers were right, and the query was doubled on its way", name, at)
	case AuthorityHijack:
		return fmt.Sprintf("the key known for %s appearing at %s, or you accept the change by pinning it", name, at)
	case TLSIntercepted:
		return "the resolver proving its name again, or its operator's new certificate in the configuration"
	case PathRelayed:
		return fmt.Sprintf("a witness that gives %s too", at)
	case PathRedirected:
		return "silence where no resolver is, and operators that are in plain who they are over TLS"
	case LocalProxy:
		return "answers of the resolver that come from where it is: over a link of this host"
	case NXRewritten:
		return "a denial for names that nobody has"
	case Denial, PolicyBlock:
		return fmt.Sprintf("an answer for %s, or filtering: true on that resolver", name)
	}
	return fmt.Sprintf("a valid certificate for %s at %s, or your pin on it", name, at)
}

// proven says how sure an alert is, in one word or two.
func proven(c Confidence) string {
	switch c {
	case Confirmed:
		return "proven"
	case Probable:
		return "probable, NOT proven"
	}
	return "suspected, NOT proven"
}

// describeAlert fills in what people read: summary, text, guidance, references.
func describeAlert(a *Alert, since time.Time) {
	switch {
	case a.Drill:
		describeDrill(a)
		return
	case a.IsIncident():
		describeIncident(a, since)
		return
	}
	host := a.Host
	if host != "" {
		host += ": "
	}
	a.Summary = fmt.Sprintf("%s%s (%s)", host, claim(*a), proven(a.Confidence))
	var b strings.Builder
	what := strings.TrimSuffix(a.Name, ".") + " " + a.Type.String()
	switch {
	case a.Kind.pathWide():
		fmt.Fprintf(&b, "Since %s UTC, noticed at %s", since.UTC().Format(time.TimeOnly), what)
		if a.Resolver != "" {
			fmt.Fprintf(&b, " and %s", a.Resolver)
		}
	case a.Kind == AttackAttempt && !a.rests("dup.conflict"):
		fmt.Fprintf(&b, "Since %s UTC packets are forged in the name of %s, which is asked for %s", since.UTC().Format(time.TimeOnly), orThe(a.Resolver, "the resolver"), what)
	case a.Kind == AttackAttempt:
		fmt.Fprintf(&b, "Since %s UTC answers for %s are forged, with %s", since.UTC().Format(time.TimeOnly), what, join(a.Observed, "a false answer"))
		if a.Resolver != "" {
			fmt.Fprintf(&b, " in the name of %s", a.Resolver)
		}
	case a.Kind == Denial:
		fmt.Fprintf(&b, "Since %s UTC %s is denied", since.UTC().Format(time.TimeOnly), what)
		if a.Resolver != "" {
			fmt.Fprintf(&b, " by %s", a.Resolver)
		}
	default:
		fmt.Fprintf(&b, "Since %s UTC %s gets %s", since.UTC().Format(time.TimeOnly), what, join(a.Observed, "a false answer"))
		if a.Resolver != "" {
			fmt.Fprintf(&b, " from %s", a.Resolver)
		}
	}
	if len(a.Expected) > 0 && !a.Kind.pathWide() {
		fmt.Fprintf(&b, " where %s is right", join(a.Expected, ""))
	}
	b.WriteString(".")
	for _, r := range a.Reasons {
		if r.Weight > 0 {
			b.WriteString(" " + r.Fact + ".")
		}
	}
	if len(a.Against) > 0 {
		b.WriteString(" Against it: " + strings.Join(a.Against, "; ") + ".")
	}
	a.Text = b.String()
	a.Guidance = guidance(*a)
	a.RunbookURL = RunbookBase + string(a.Kind) + ".md"
	a.References = references(a.Kind)
}

func join(ss []string, none string) string {
	if len(ss) == 0 {
		return none
	}
	if len(ss) > 4 {
		return strings.Join(ss[:4], ", ") + fmt.Sprintf(" and %d more", len(ss)-4)
	}
	return strings.Join(ss, ", ")
}

// guidance says what to do, the most urgent first. It follows the exposure, so
// that nobody rotates keys for a lie that every verifying client refused.
func guidance(a Alert) []string {
	name := strings.TrimSuffix(a.Name, ".")
	if a.IsIncident() {
		name = "these names"
	}
	keys := join(a.Exposure.SecretNames, "the keys sent to "+name)
	var g []string
	if a.Severity >= High && a.Exposure.Leak != LeakNo {
		g = append(g, fmt.Sprintf("Stop jobs on %s that send %s, or pin %s in /etc/hosts until this is over.", orThis(a.Host), keys, join(a.Expected, "a right address")))
	}
	switch a.Kind {
	case PathRewritten:
		g = append(g, "Find who answers port 53 on the way out of this network: ask for a name at 192.0.2.53, where no DNS server lives.",
			"Until it is found, resolve over TLS (DoT or DoH) from this host.")
	case PathInjection, AttackAttempt:
		g = append(g, "Find the machine that sends the forged packets by their MAC, IP TTL and times: dnstaster evidence export, with this alert's id, has them.",
			"On a network of yours: turn on DHCP snooping and ARP inspection. Until it is found, resolve over TLS (DoT or DoH) from this host.")
	case LocalHost:
		switch {
		case a.restsOn("resp.lo_nonlocal", "probe.no_wire"):
			g = append(g, "Find what leads port 53 elsewhere on this host: nft list ruleset, iptables -t nat -S OUTPUT, bpftool cgroup tree; and who listens there: ss -lunp.",
				"A proxy of yours (dnscrypt-proxy, AdGuard, a VPN client) lies as its own resolvers do: look at them.")
		case a.restsOn("host.resolv_conf"):
			g = append(g, fmt.Sprintf("Take %s out of /etc/resolv.conf, and find who wrote it there: a DHCP client, a VPN, a package, or somebody who should not.", orThe(server(a.Resolver), "it")))
		default:
			g = append(g, "Look for the name in /etc/hosts, then at the modules of the hosts line of /etc/nsswitch.conf and their caches: the nameservers of resolv.conf do not say this.")
		}
		g = append(g, "Who put it there can do more here than that: look for what else changed at the time.")
	case LocalNet:
		if a.restsOn("l2.source_changed") {
			g = append(g, "Find the machine with the hardware address in the evidence, and take it off the network.",
				"Turn on ARP inspection on the switches. Until it is found, resolve over TLS (DoT or DoH) from this host.")
			break
		}
		g = append(g, fmt.Sprintf("Find the machine that announces %s by the hardware address in the evidence, and take it off the network.", orThe(server(a.Resolver), "the resolver")),
			"Turn on DHCP snooping and RA guard on the switches. Until it is found, write the nameservers of this host down by hand, or resolve over TLS.")
	case ResolverCache:
		if a.Exposure.Leak == LeakNo {
			g = append(g, fmt.Sprintf("No application here asks %s. If it goes on, take it out of the configured resolvers, and send whoever runs it this alert with its evidence.", orThe(a.Resolver, "it")))
			break
		}
		g = append(g, fmt.Sprintf("Take %s out of resolv.conf or DHCP now, if it is this host's.", orThe(a.Resolver, "the resolver")),
			fmt.Sprintf("If the resolver is yours: unbound-control flush %s, or rndc flushname %s; then look at its version and source ports.", name, name),
			"If it is a provider's: send them this alert with its evidence. It is poison, or undeclared filtering: a block page says so itself.")
	case Rebinding:
		g = append(g, "If the private address is meant (PrivateLink, split horizon), declare it: expect.private: allow, or expect.addresses.")
	case TLSIntercepted:
		g = append(g, fmt.Sprintf("Look at the certificate that %s shows: openssl s_client -connect to its address and port.", orThe(a.Resolver, "the resolver")),
			"A firewall that inspects TLS: let the resolver's address pass, or take another witness. Until then it has no voice here.")
	case PathRelayed:
		g = append(g, fmt.Sprintf("Find whose %s is. A front or an accelerator of your own: declare it in expect.addresses of these names.", at0(a)),
			"Until it is found, resolve over TLS (DoT or DoH) from this host.")
	case PathRedirected:
		g = append(g, "Find who answers port 53 on the way out of this network: ask for a name at 192.0.2.53, where no DNS server lives.",
			"If it is meant, leave it: what it says is compared with witnesses over TLS all the same.")
	case LocalProxy:
		g = append(g, "Find what leads port 53 elsewhere on this host: nft list ruleset, iptables -t nat -S OUTPUT, bpftool cgroup tree; and who listens there: ss -lunp.",
			"If it is meant (dnscrypt-proxy, AdGuard, a VPN client, a cache of the cluster), acknowledge it: what it says is compared with witnesses over TLS all the same.")
	case NXRewritten:
		g = append(g, fmt.Sprintf("Ask whoever runs %s to turn it off; a typing error leads to somebody's server until then. Or take another resolver.", orThe(a.Resolver, "the resolver")))
	case Denial:
		g = append(g, fmt.Sprintf("Ask whoever runs %s why it denies the name; a negative answer may stay in its cache for up to three hours.", orThe(a.Resolver, "the resolver")))
	case PolicyBlock:
		g = append(g, fmt.Sprintf("Ask whoever runs %s to let the name pass, or declare the block: filtering: true on that resolver.", orThe(a.Resolver, "the resolver")))
	case AuthorityHijack:
		g = append(g, fmt.Sprintf("Call the owner of %s by telephone: mail may have moved too.", name),
			"Planned? Pin the new addresses or keys. Not planned? Treat every key sent since as known to others.")
	}
	switch a.Exposure.Leak {
	case LeakUnchecked:
		g = append(g, fmt.Sprintf("Rotate %s if a client runs with certificate checks off (verify=False, InsecureSkipVerify, http://). Otherwise expect TLS errors, not a leak.", keys))
	case LeakIfHijacked:
		g = append(g, fmt.Sprintf("Rotate %s once the right address is back: certificate checks do not protect here.", keys))
	}
	return g
}

// server gives the address in the label of a resolver.
func server(label string) string { return label[strings.LastIndexByte(label, ' ')+1:] }

func at0(a Alert) string { return join(a.Observed[:min(1, len(a.Observed))], "the address") }

func orThis(host string) string { return orThe(host, "this host") }

func orThe(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// references gives the identifiers under which others file the same thing.
func references(k Kind) []string {
	switch k {
	case AuthorityHijack:
		return []string{"ATT&CK T1584.002", "CWE-346", "OWASP API9:2023"}
	case Rebinding:
		return []string{"CWE-350", "OWASP API7:2023"}
	case TLSIntercepted:
		return []string{"ATT&CK T1557", "CWE-295"}
	case Denial, PolicyBlock, NXRewritten:
		return []string{"CWE-345"}
	case LocalHost:
		return []string{"ATT&CK T1565.001", "CWE-15", "OWASP API10:2023"}
	case LocalNet:
		return []string{"ATT&CK T1557.003", "CWE-350", "OWASP API10:2023"}
	case ResolverCache:
		return []string{"ATT&CK T1557", "ATT&CK T1565.002", "CWE-350", "OWASP API10:2023"}
	}
	return []string{"ATT&CK T1557", "CWE-345", "CWE-350", "OWASP API10:2023"}
}
