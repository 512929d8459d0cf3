.POSIX:
.PHONY: build test race lab kill check install

build:            # a static binary
	CGO_ENABLED=0 go build -trimpath -o dnstaster ./cmd/dnstaster

test:             # what the README says
	go test ./...

race:             # needs a C compiler
	go test -race -shuffle=on ./...

lab:              # real resolvers, real attackers; root
	lab/lab.sh install
	go test -tags lab -v -timeout 30m ./lab/...

kill:             # kill -9 the daemon 200 times, and lose nothing
	DNSTASTER_KILLS=200 go test -run TestKill -v -timeout 30m ./cmd/dnstaster

check:            # everything that CI runs
	.ci/run

install: build
	install -D -m 0755 dnstaster $(DESTDIR)/usr/bin/dnstaster
	install -D -m 0644 systemd/dnstaster.service $(DESTDIR)/usr/lib/systemd/system/dnstaster.service
	install -D -m 0644 systemd/sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/dnstaster.conf
