.POSIX:
.PHONY: build test race bench lab lab-mutate lab-confirm kill fuzz soak soak-race check install uninstall man deb container

FUZZTIME = 60s
FUZZ =
BENCH = -write
SOAK = 2h

build:            # a static binary
	CGO_ENABLED=0 go build -trimpath -o dnstaster ./cmd/dnstaster

test:             # what the README says
	go test ./...

race:             # needs a C compiler
	go test -race -shuffle=on ./...

bench:            # what it costs beside other programs, to docs/performance.md; root, and a quiet machine
	lab/install.sh
	go run ./lab/bench $(BENCH)

lab:              # real resolvers, real attackers: the whole matrix and its scoreboard; root
	lab/install.sh
	go test -tags lab -v -timeout 90m ./lab/...

lab-mutate:       # each rule and clearing test switched off: a case must turn red; root
	lab/install.sh
	go test -tags lab -v -timeout 90m -run '^TestMutations$$' ./lab -lab.mutate

lab-confirm:      # how long until an alert is confirmed, with nothing hurried; root
	lab/install.sh
	go test -tags lab -v -timeout 60m -run '^TestConfirm$$' ./lab -lab.confirm

kill:             # kill -9 the daemon 200 times, and lose nothing
	DNSTASTER_KILLS=200 go test -run TestKill -v -timeout 30m ./cmd/dnstaster

fuzz:             # each fuzz target for FUZZTIME, or those that FUZZ matches; adds to docs/ledger.md
	lab/fuzz.sh $(FUZZTIME) '$(FUZZ)'

soak:             # the lab's daemon through changes and attacks at random for SOAK; root
	lab/install.sh
	go run ./lab/ledger soak 'lab soak' $(SOAK) go test -tags lab -run '^TestSoak$$' -v -count 1 -timeout 0 ./lab -lab.soak $(SOAK) -lab.seed $$(date +%s)

soak-race:        # the daemon under forged traffic for SOAK, with the race detector
	go run ./lab/ledger soak soak $(SOAK) env DNSTASTER_SOAK=$(SOAK) go test -race -run '^TestSoak$$' -v -count 1 -timeout 0 ./cmd/dnstaster

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
