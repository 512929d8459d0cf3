#!/bin/sh
# install.sh ROOT PREFIX BINARY [TOOL]: puts what belongs to the daemon under
# ROOT, as make install and the package do. TOOL is the same program for this
# machine, which writes completions, man pages and the example.
# install.sh --list ROOT PREFIX: names every file of it, for make uninstall.
set -eu
here=$(dirname "$0")

# docs lists what users read: pages, runbooks, schemas, alert rules, dashboard.
docs() { (cd "$here/../docs" && find . -type f ! -name ledger.md ! -name '*_test.yml' | sed 's|^\./||' | sort); }

if [ "$1" = --list ]; then
	root=$2 prefix=$3
	printf '%s\n' \
		"$root$prefix/bin/dnstaster" \
		"$root$prefix/lib/systemd/system/dnstaster.service" \
		"$root$prefix/lib/sysusers.d/dnstaster.conf" \
		"$root$prefix/share/bash-completion/completions/dnstaster" \
		"$root$prefix/share/zsh/vendor-completions/_dnstaster" \
		"$root$prefix/share/fish/vendor_completions.d/dnstaster.fish" \
		"$root$prefix/share/doc/dnstaster/examples/dnstaster.yaml"
	docs | sed "s|^|$root$prefix/share/doc/dnstaster/|"
	# Of man pages there is one for each command.
	find "$root$prefix/share/man" -name 'dnstaster*.[15].gz' 2>/dev/null || true
	exit
fi

root=$1 prefix=$2 binary=$3 tool=${4:-$3}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

install -D -m 0755 "$binary" "$root$prefix/bin/dnstaster"
sed "s|/usr/bin/dnstaster|$prefix/bin/dnstaster|g" "$here/dnstaster.service" >"$tmp/dnstaster.service"
install -D -m 0644 "$tmp/dnstaster.service" "$root$prefix/lib/systemd/system/dnstaster.service"
install -D -m 0644 "$here/sysusers.conf" "$root$prefix/lib/sysusers.d/dnstaster.conf"

"$tool" completion bash >"$tmp/bash"
"$tool" completion zsh >"$tmp/zsh"
"$tool" completion fish >"$tmp/fish"
install -D -m 0644 "$tmp/bash" "$root$prefix/share/bash-completion/completions/dnstaster"
install -D -m 0644 "$tmp/zsh" "$root$prefix/share/zsh/vendor-completions/_dnstaster"
install -D -m 0644 "$tmp/fish" "$root$prefix/share/fish/vendor_completions.d/dnstaster.fish"

"$tool" man "$tmp/man"
gzip -9n "$tmp"/man/*
for page in "$tmp"/man/*.gz; do
	section=${page%.gz}
	section=${section##*.}
	install -D -m 0644 "$page" "$root$prefix/share/man/man$section/$(basename "$page")"
done

"$tool" config init >"$tmp/example.yaml"
install -D -m 0644 "$tmp/example.yaml" "$root$prefix/share/doc/dnstaster/examples/dnstaster.yaml"

docs | while read -r page; do
	install -D -m 0644 "$here/../docs/$page" "$root$prefix/share/doc/dnstaster/$page"
done

# What is there is somebody's work.
install -d "$root/etc/dnstaster" "$root/etc/dnstaster/watches.d"
[ -e "$root/etc/dnstaster/dnstaster.yaml" ] || install -m 0644 "$here/dnstaster.yaml" "$root/etc/dnstaster/dnstaster.yaml"
