package capture

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What a transaction costs is told to who configures it.
func TestSlotSize(t *testing.T) {
	sizes := map[string]int{
		"slot": int(unsafe.Sizeof(slot{})), "packet": int(unsafe.Sizeof(packet{})), "cell": int(unsafe.Sizeof(cell{})), "tomb": int(unsafe.Sizeof(tomb{})),
	}
	if diff := cmp.Diff(map[string]int{"slot": 64, "packet": 64, "cell": 8, "tomb": 8}, sizes); diff != "" {
		t.Errorf("octets (-want +got):\n%s", diff)
	}
}

// modelSlot is a slot of a table as one would explain it.
type modelSlot struct {
	pair   uint64
	id     uint16
	n      uint32
	age    uint8
	paired int // when, 0 for not yet
}

// pairHashes share tags and homes, and one leads around the end of the cells.
var pairHashes = []uint64{1, 2, 1 << 33, 1<<33 + 1, 3 << 62, ^uint64(0)}

// TestTableModel holds the table against a list that is looked through from end
// to end. Slots are in the list in the order in which they were touched.
func TestTableModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const most = 48
		// Of few slots at the start, so that it grows.
		tab := table{slots: make([]slot, 3), most: most, keys: newIndex(2), pairs: newIndex(2)}
		var model []modelSlot
		for clock := range rapid.IntRange(1, 300).Draw(rt, "steps") {
			pair := rapid.SampledFrom(pairHashes).Draw(rt, "pair")
			id := rapid.Uint16Range(0, 9).Draw(rt, "id")
			i := slices.IndexFunc(model, func(s modelSlot) bool { return s.pair == pair && s.id == id })
			n := tab.find(pair, id)
			if i < 0 != (n == 0) || i >= 0 && model[i].n != n {
				rt.Fatalf("found %d, the model has %d of %+v", n, i, model)
			}
			switch what := rapid.SampledFrom([]string{"add", "add", "remove", "touch", "pair"}).Draw(rt, "what"); {
			case i < 0 && what == "add" && len(model) < most:
				age := rapid.Uint8Range(0, ages-1).Draw(rt, "age")
				model = append(model, modelSlot{pair: pair, id: id, n: tab.add(slot{pair: pair, id: id, state: age}), age: age})
			case i >= 0 && what == "remove":
				tab.remove(n)
				model = slices.Delete(model, i, i+1)
			case i >= 0 && what == "touch":
				s := model[i]
				s.age = rapid.Uint8Range(0, ages-1).Draw(rt, "age")
				tab.pull(n)
				tab.slots[n].state = tab.slots[n].state&^ageMask | s.age
				tab.push(n)
				model = append(slices.Delete(model, i, i+1), s)
			case i >= 0 && what == "pair":
				tab.pairUp(n)
				if model[i].paired == 0 {
					model[i].paired = clock + 1
				}
			}
			compareTable(rt, &tab, model)
		}
	})
}

// compareTable looks at all lists of a table.
func compareTable(t rapid.TB, tab *table, model []modelSlot) {
	if tab.open != len(model) || len(tab.slots)-1 > tab.most {
		t.Fatalf("%d open in %d slots, want %d", tab.open, len(tab.slots)-1, len(model))
	}
	for a := range tab.ages {
		var got, want []uint32
		for n, last := tab.ages[a].first, uint32(0); n != 0; last, n = n, tab.slots[n].younger {
			if tab.slots[n].older != last {
				t.Fatalf("slot %d comes after %d and says %d", n, last, tab.slots[n].older)
			}
			got = append(got, n)
		}
		for _, s := range model {
			if int(s.age) == a {
				want = append(want, s.n)
			}
		}
		if !slices.Equal(got, want) || tab.ages[a].n != len(want) {
			t.Fatalf("age %d: %v of %d, want %v", a, got, tab.ages[a].n, want)
		}
	}
	paired := slices.DeleteFunc(slices.Clone(model), func(s modelSlot) bool { return s.paired == 0 })
	slices.SortFunc(paired, func(a, b modelSlot) int { return b.paired - a.paired })
	for _, pair := range pairHashes {
		var got, want []uint32
		if c := tab.newest(pair); c != nil {
			for n := c.slot; n != 0; n = tab.slots[n].elder {
				got = append(got, n)
			}
		}
		for _, s := range paired {
			if s.pair == pair {
				want = append(want, s.n)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("of pair %x: %v, want %v", pair, got, want)
		}
	}
}

// Once it has grown, a table takes nothing more.
func TestTableAllocates(t *testing.T) {
	tab := newTable(4096)
	for i := range 4096 {
		tab.pairUp(tab.add(slot{pair: mix(uint64(i), 1)}))
	}
	i := 0
	if n := testing.AllocsPerRun(10000, func() {
		tab.remove(tab.ages[lone].first)
		tab.pairUp(tab.add(slot{pair: mix(uint64(i), 2)}))
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
