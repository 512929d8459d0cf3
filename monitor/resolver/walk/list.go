package walk

import (
	"slices"
)

// maxDetail bounds text of which others wrote a part, in octets.
const maxDetail = 240

// insert puts v into a sorted list that has each value once and at most limit
// of them.
func insert[T any](list []T, v T, limit int, order func(a, b T) int) []T {
	i, found := slices.BinarySearchFunc(list, v, order)
	if found || len(list) >= limit {
		return list
	}
	return slices.Insert(list, i, v)
}
