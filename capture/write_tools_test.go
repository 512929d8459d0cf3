package capture_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// writeTool runs a tool that reads capture files, and gives its standard output.
func writeTool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// The tests must run on a machine with git and Go alone. lab/install.sh brings
		// the tools, and .ci/run refuses what was skipped.
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TZ=UTC", "LC_ALL=C")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, stderr.String())
	}
	return string(out)
}

// writeQuery is an Ethernet frame with a UDP query from 192.0.2.1 to 192.0.2.53,
// without its last cut bytes.
func writeQuery(id, cut int) capture.Frame {
	dns := []byte{byte(id >> 8), byte(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1}
	udp := append([]byte{0xc0, 0, 0, 53, 0, byte(8 + len(dns)), 0, 0}, dns...)
	ip := append([]byte{0x45, 0, 0, byte(20 + len(udp)), 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 53}, udp...)
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, ip...)
	return capture.Frame{
		At: time.Unix(1800000000, int64(id)).UTC(), Link: capture.LinkEthernet,
		Data: frame[:len(frame)-cut], Length: len(frame), Interface: 2,
	}
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What Writer writes is what tshark reads: times, lengths, link types,
// interfaces, comments and the DNS inside.
func TestWriteTshark(t *testing.T) {
	var frames []capture.Frame
	var comments, want []string
	for i := range 6 {
		f, comment := writeQuery(1000+i, 0), ""
		if i%2 == 1 {
			f = writeQuery(1000+i, i)
			comment = fmt.Sprintf("comment %d ✓", i)
		}
		name, iface, encap := "a.test", "0", "1"
		if i == 4 { // without its Ethernet header, and on another interface
			f.Link, f.Data, f.Length, f.Interface = capture.LinkRaw, f.Data[14:], f.Length-14, 9
			iface, encap = "1", "7"
		}
		if len(f.Data) < f.Length {
			name = ""
		}
		frames, comments = append(frames, f), append(comments, comment)
		want = append(want, strings.Join([]string{
			strconv.Itoa(i + 1), "1800000000." + fmt.Sprintf("%09d", 1000+i), iface, encap,
			strconv.Itoa(len(f.Data)), strconv.Itoa(f.Length), fmt.Sprintf("0x%04x", 1000+i), name, comment,
		}, "|"))
	}
	path := writeFile(t, writeAll(t, frames, comments))
	args := []string{"-n", "-r", path, "-T", "fields", "-E", "separator=|"}
	for _, field := range []string{
		"frame.number", "frame.time_epoch", "frame.interface_id", "frame.encap_type",
		"frame.cap_len", "frame.len", "dns.id", "dns.qry.name", "frame.comment",
	} {
		args = append(args, "-e", field)
	}
	got := strings.Split(strings.TrimSpace(writeTool(t, "tshark", args...)), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a resolver told of is shown by tshark too, over IPv4 and IPv6.
func TestWriteTold(t *testing.T) {
	var frames [][]byte
	for client, server := range map[string]string{"192.0.2.9:40000": "192.0.2.53:853", "[2001:db8::9]:40000": "[2001:db8::53]:443"} {
		q, r := answered(0, 0x1234, "www.example.com.", "203.0.113.10")
		_, other := answered(0, 0x1234, "www.example.com.", "198.51.100.66")
		datagrams(&q, &r, &other)
		for _, m := range []tapped{q, r, other} {
			m.client, m.server = netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
			frames = append(frames, m.pack(t))
		}
	}
	var out []capture.Frame
	_, err := capture.ReadTap(bytes.NewReader(tapStream(frames...)), func(s monitor.Sample) error {
		for _, p := range []monitor.Packet{s.Queries[0], *s.Answers[1].Packet} {
			out = append(out, capture.Frame{At: p.At, Link: capture.LinkType(p.Link), Data: p.Raw, Length: len(p.Raw)})
		}
		return nil
	})
	if err != nil || len(out) != 4 {
		t.Fatal(err, len(out))
	}
	args := []string{"-n", "-r", writeFile(t, writeAll(t, out, make([]string, len(out)))), "-T", "fields", "-E", "separator=|"}
	for _, field := range []string{"exported_pdu.ipv4_src", "exported_pdu.ipv4_dst", "exported_pdu.ipv6_src", "exported_pdu.ipv6_dst", "exported_pdu.src_port", "exported_pdu.dst_port", "dns.id", "dns.qry.name", "dns.a"} {
		args = append(args, "-e", field)
	}
	got := strings.Split(strings.TrimSpace(writeTool(t, "tshark", args...)), "\n")
	slices.Sort(got) // the order of IP versions is any
	want := []string{
		"192.0.2.53|192.0.2.9|||853|40000|0x1234|www.example.com|198.51.100.66",
		"192.0.2.9|192.0.2.53|||40000|853|0x1234|www.example.com|",
		"||2001:db8::53|2001:db8::9|443|40000|0x1234|www.example.com|198.51.100.66",
		"||2001:db8::9|2001:db8::53|40000|443|0x1234|www.example.com|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWriteTcpdump(t *testing.T) {
	path := writeFile(t, writeAll(t, []capture.Frame{writeQuery(7, 0), writeQuery(8, 0)}, []string{"", "hello"}))
	got := writeTool(t, "tcpdump", "-n", "-tt", "--nano", "-r", path)
	want := "1800000000.000000007 IP 192.0.2.1.49152 > 192.0.2.53.53: 7+ A? a.test. (24)\n" +
		"1800000000.000000008 IP 192.0.2.1.49152 > 192.0.2.53.53: 8+ A? a.test. (24)\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// fileToolVariants gives the variants, and a few that are there for the tools.
func fileToolVariants() map[string][]byte {
	files := fileVariants()
	b := fileLittle().section().iface(1, 0).packet(0, 1, 5, fileBytes(5))
	b.block(9, []byte("__REALTIME_TIMESTAMP=1\n")).block(0xbad, b.u32(32473, 1)).block(10, b.u32(0, 0))
	files["pcapng numbers"] = b.packet(0, 1, 5, fileBytes(5)).out
	b = fileBig().section().iface(1, 0, b.u32())
	b.iface(1, 0, b.resolution(0x80|20, 1700000000)).packet(1, 1<<40+3, 70000, fileBytes(5))
	files["pcapng power of two"] = b.out
	files["pcap 2.2"] = fileLittle().pcap(fileMicro, 2, 0, 1).record(1, 2, 60, 5, fileBytes(5)).out
	files["pcap checksum"] = fileBig().pcap(fileNano, 4, 0, 0x2400_0001).record(1<<32-1, 2, 5, 60, fileBytes(5)).out
	return files
}

// Reader finds as many packets in each variant as capinfos.
func TestFileCapinfos(t *testing.T) {
	dir := t.TempDir()
	args, want := []string{"-c", "-T", "-m", "-r"}, map[string]string{}
	for name, data := range fileToolVariants() {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
		want[path] = strconv.Itoa(len(fileWhole(t, data)))
	}
	got := map[string]string{}
	for line := range strings.Lines(writeTool(t, "capinfos", args...)) {
		path, count, _ := strings.Cut(strings.TrimSpace(line), ",")
		got[path] = count
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Reader gives the same numbers, times and lengths as tshark.
func TestFileTshark(t *testing.T) {
	files := fileToolVariants()
	for _, name := range []string{
		"pcap 2.2", "pcap checksum", "pcap modified big", "pcapng numbers", "pcapng power of two", "pcapng sections little", "pcapng gzip",
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			packets := map[string]bool{}
			for _, f := range fileWhole(t, files[name]) {
				packets[strconv.Itoa(f.Number)] = true
				want = append(want, fmt.Sprintf("%d|%d.%09d|%d|%d", f.Number, f.At.Unix(), f.At.Nanosecond(), len(f.Data), f.Length))
			}
			var got []string
			out := writeTool(t, "tshark", "-n", "-r", writeFile(t, files[name]), "-T", "fields", "-E", "separator=|",
				"-e", "frame.number", "-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len")
			for line := range strings.Lines(out) {
				// Journal entries have a number there, and are none of ours.
				if number, _, _ := strings.Cut(line, "|"); packets[number] {
					got = append(got, strings.TrimSpace(line))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
