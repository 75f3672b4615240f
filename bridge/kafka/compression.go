package kafka

import (
	"bytes"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// worthCompressing is how large a batch must be to be compressed, in bytes: below
// it the work costs more than all else that becomes of a record, and saves little.
// What flows slowly, one record a batch, stays as it is; under load batches grow.
const worthCompressing = 2 << 10

// compression returns the codecs for a value of --compression, each after the
// best falling back to none.
func compression(name string) ([]kgo.CompressionCodec, error) {
	none := kgo.NoCompression()
	switch name {
	case "zstd":
		return []kgo.CompressionCodec{kgo.ZstdCompression(), none}, nil
	case "lz4":
		return []kgo.CompressionCodec{kgo.Lz4Compression(), none}, nil
	case "snappy", "":
		return []kgo.CompressionCodec{kgo.SnappyCompression(), none}, nil
	case "gzip":
		return []kgo.CompressionCodec{kgo.GzipCompression(), none}, nil
	case "none":
		return []kgo.CompressionCodec{none}, nil
	}
	return nil, fmt.Errorf("--compression: %q is none of zstd, lz4, snappy, gzip, none", name)
}

// newCompressor returns what compresses the batches that are worth it.
func newCompressor(name string) (kgo.Compressor, error) {
	codecs, err := compression(name)
	if err != nil {
		return nil, err
	}
	all, err := kgo.DefaultCompressor(codecs...)
	if err != nil {
		return nil, fmt.Errorf("set up --compression: %w", err)
	}
	return sparing{all}, nil
}

// sparing compresses large batches only; none at all with "none", for which the
// client's own compressor is nil.
type sparing struct{ kgo.Compressor }

// Compress implements kgo.Compressor.
func (s sparing) Compress(dst *bytes.Buffer, src []byte, flags ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	if s.Compressor == nil || len(src) < worthCompressing {
		return src, kgo.CodecNone
	}
	return s.Compressor.Compress(dst, src, flags...)
}
