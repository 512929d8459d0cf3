package asn

// hosting lists networks in which whoever pays has addresses, or has the
// network answer for addresses elsewhere, each with who runs it: that two
// addresses are both in one of them says nothing of whose they are.
//
// It is short on purpose: what an attacker can rent within minutes, by size.
// The numbers are those in the registries of the RIRs.
var hosting = map[uint32]string{
	16509:  "Amazon Web Services",
	14618:  "Amazon Web Services",
	15169:  "Google, Google Cloud included",
	396982: "Google Cloud",
	8075:   "Microsoft, Azure included",
	31898:  "Oracle Cloud",
	36351:  "IBM Cloud",
	45102:  "Alibaba Cloud",
	37963:  "Alibaba Cloud, China",
	132203: "Tencent Cloud",
	45090:  "Tencent Cloud, China",
	136907: "Huawei Cloud",
	13335:  "Cloudflare",
	54113:  "Fastly",
	20940:  "Akamai",
	63949:  "Akamai, formerly Linode",
	14061:  "DigitalOcean",
	20473:  "Vultr",
	16276:  "OVHcloud",
	24940:  "Hetzner",
	213230: "Hetzner Cloud",
	212317: "Hetzner Cloud",
	12876:  "Scaleway",
	8560:   "IONOS",
	51167:  "Contabo",
	60781:  "Leaseweb",
	28753:  "Leaseweb",
	26496:  "GoDaddy",
	22612:  "Namecheap",
	202053: "UpCloud",
	9009:   "M247",
}
