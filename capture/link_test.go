package capture

import "testing"

func TestTagged(t *testing.T) {
	ethernet := func(ether ...byte) []byte { return append(make([]byte, 12), ether...) }
	for _, tt := range []struct {
		name string
		link LinkType
		data []byte
		want bool
	}{
		{"no tag", LinkEthernet, ethernet(0x08, 0x00, 0x45), false},
		{"802.1Q", LinkEthernet, ethernet(0x81, 0x00, 0, 42, 0x08, 0x00), true},
		{"802.1ad", LinkEthernet, ethernet(0x88, 0xa8, 0, 42, 0x81, 0x00), true},
		{"cut short", LinkEthernet, ethernet(0x81), false},
		{"cooked", LinkSLL, append(make([]byte, 14), 0x81, 0x00), true},
		{"cooked, version 2", LinkSLL2, append([]byte{0x81, 0x00}, make([]byte, 18)...), true},
		{"cooked, version 2, no tag", LinkSLL2, append([]byte{0x86, 0xdd}, make([]byte, 18)...), false},
		{"a link without", LinkRaw, []byte{0x81, 0x00}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Frame{Link: tt.link, Data: tt.data}
			if got := f.Tagged(); got != tt.want {
				t.Errorf("Tagged() = %v, want %v", got, tt.want)
			}
		})
	}
}
