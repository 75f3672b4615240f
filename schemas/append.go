package schemas

import (
	"encoding/binary"
	"time"
)

// What the generated appendAvro methods are made of: the binary encoding of Avro's
// specification. Each appends to b and returns it.

// null and present are the branches of ["null", …].
const (
	null    = 0
	present = 1 << 1
)

func appendInteger[T int32 | int64](b []byte, v T) []byte { return binary.AppendVarint(b, int64(v)) }

// appendString serves bytes too, which are encoded alike.
//
//go:noinline
func appendString[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendVarint(b, int64(len(v))), v...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendMicros writes a timestamp-micros.
func appendMicros(b []byte, v time.Time) []byte { return binary.AppendVarint(b, v.UnixMicro()) }

// appendOptional stands in its own function for the sake of the binary's size: the
// records have 470 fields that may be null, and most are.
//
//go:noinline
func appendOptional[T any](b []byte, v *T, value func([]byte, T) []byte) []byte {
	if v == nil {
		return append(b, null)
	}
	return value(append(b, present), *v)
}

func appendOptionalArray[T any](b []byte, v []T, item func(*T, []byte) []byte) []byte {
	if v == nil {
		return append(b, null)
	}
	return appendArray(append(b, present), v, item)
}

// appendArray writes one block of all items, without its size in bytes.
func appendArray[T any](b []byte, v []T, item func(*T, []byte) []byte) []byte {
	if len(v) > 0 {
		b = binary.AppendVarint(b, int64(len(v)))
		for i := range v {
			b = item(&v[i], b)
		}
	}
	return append(b, 0)
}

func appendItem(s *string, b []byte) []byte { return appendString(b, *s) }
