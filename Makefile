.POSIX:
.PHONY: build test race lab kill fuzz soak check install uninstall man deb container

FUZZTIME = 60s
SOAK = 10m

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

fuzz:             # each fuzz target for FUZZTIME; adds to docs/ledger.md
	lab/fuzz.sh $(FUZZTIME)

soak:             # the daemon under forged traffic for SOAK, with the race detector
	lab/ledger.sh soak $(SOAK) env DNSTASTER_SOAK=$(SOAK) go test -race -run '^TestSoak$$' -v -count 1 -timeout 0 ./cmd/dnstaster

check:            # everything that CI runs
	.ci/run

# Under PREFIX, with the configuration in /etc; DESTDIR is put before both.
PREFIX  = /usr
DESTDIR =

install: build    # binary, unit, user, completions, man pages, example; root
	systemd/install.sh '$(DESTDIR)' '$(PREFIX)' ./dnstaster

uninstall:        # all of that; configuration and state stay
	systemd/install.sh --list '$(DESTDIR)' '$(PREFIX)' | xargs rm -f
	rm -rf '$(DESTDIR)$(PREFIX)/share/doc/dnstaster'

man: build        # the man pages, in dist/man; SOURCE_DATE_EPOCH gives their date
	./dnstaster man dist/man

deb:              # dist/dnstaster.deb; GOARCH and VERSION choose for what and which
	systemd/deb/build.sh dist/dnstaster.deb

container:        # the package under a real systemd, in a container; root
	systemd/container/container.sh install
	go test -tags container -v ./systemd/...
