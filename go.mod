module github.com/dnstaster/dnstaster

go 1.26.0

require (
	github.com/cenkalti/backoff/v5 v5.0.3 // delays between tries of a webhook
	github.com/coreos/go-systemd/v22 v22.7.0 // readiness, told to systemd
	github.com/cpuguy83/go-md2man/v2 v2.0.7 // the man page of the configuration; cobra makes the others with it
	github.com/goccy/go-yaml v1.19.2 // configuration, with the place of each error
	github.com/google/go-cmp v0.7.0 // tests: what differs
	github.com/google/gopacket v1.1.19 // tests: packets are made with it, and ours is held against what it reads
	github.com/miekg/dns v1.1.73 // DNS messages
	github.com/oklog/ulid/v2 v2.1.2 // ids of alerts, in order of time
	github.com/oschwald/maxminddb-golang/v2 v2.9.0 // who announces an address, from MaxMind DB files
	github.com/owenrumney/go-sarif/v3 v3.3.1 // tests: the official schema of SARIF, and a reader that is not ours
	github.com/prometheus/client_golang v1.25.0 // metrics
	github.com/prometheus/common v0.73.1 // http_config and durations as in Prometheus
	github.com/prometheus/exporter-toolkit v0.20.0 // TLS and passwords for metrics, as in Prometheus
	github.com/rogpeppe/go-internal v1.16.0 // tests: the command line, as scripts
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // tests: what is emitted fits docs/schema
	github.com/spf13/cobra v1.10.2 // commands, help, completion
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1 // signatures of webhooks
	github.com/systemd/slog-journal v0.1.2 // the log, with levels and fields, to the journal; its tags need the version said
	go.etcd.io/bbolt v1.5.0 // the store
	go.uber.org/goleak v1.3.0 // tests: nothing is left running
	golang.org/x/crypto v0.58.0 // tests: a password of Prometheus's web configuration
	golang.org/x/crypto/x509roots/fallback v0.0.0-20261030153154-30a33513ff6d // roots where the system has none
	golang.org/x/net v0.62.0 // names in other scripts, whose domain a name is in; the BPF program; the demo's resolvers
	golang.org/x/sync v0.24.0 // groups of tasks that end together
	golang.org/x/sys v0.49.0 // peer of a socket, packet sockets
	google.golang.org/protobuf v1.36.12 // the wire format of dnstap
	pgregory.net/rapid v1.3.0 // tests: properties and models
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/jpillora/backoff v1.0.0 // indirect
	github.com/mdlayher/socket v0.6.0 // indirect
	github.com/mdlayher/vsock v1.3.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/mwitkow/go-conntrack v0.0.0-20190716064945-2f068394615f // indirect
	github.com/pandatix/go-abnf v0.5.3 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	github.com/xeipuuv/gojsonpointer v0.0.0-20180127040702-4e3ac2762d5f // indirect
	github.com/xeipuuv/gojsonreference v0.0.0-20180127040603-bd5ef7bd5415 // indirect
	github.com/xeipuuv/gojsonschema v1.2.0 // indirect
	go.yaml.in/yaml/v2 v2.4.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
)
