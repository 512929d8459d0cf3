package monitor

import (
	"fmt"
	"slices"
)

func unmarshalName[T ~uint8](v *T, names []string, b []byte) error {
	i := slices.Index(names, string(b))
	if i < 0 {
		return fmt.Errorf("%q is not one of %q", b, names)
	}
	*v = T(i)
	return nil
}
