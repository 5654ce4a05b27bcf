package diskfault

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// Damage is what was done to a file of a member that does not run.
type Damage struct {
	Path string
	// At is where, and Bytes how much.
	At, Bytes int64
	What      string
}

// String is a proof of it.
func (d Damage) String() string {
	return fmt.Sprintf("%s: %s, %d bytes at %d", d.Path, d.What, d.Bytes, d.At)
}

var errNothingWritten = errors.New("there is nothing but zeros in the file")

// FlipBit flips one bit within what was written: in one of the sectors that are not all zeros, none of which is likelier.
func FlipBit(rng *rand.Rand, path string) (Damage, error) {
	return damage(path, func(f *os.File) (Damage, error) {
		written, err := writtenSectors(f)
		if err != nil {
			return Damage{}, err
		}
		sector := written[rng.IntN(len(written))]
		at := sector.at + rng.Int64N(int64(len(sector.data)))
		bit := byte(1) << rng.IntN(8)
		_, err = f.WriteAt([]byte{sector.data[at-sector.at] ^ bit}, at)
		return Damage{At: at, Bytes: 1, What: fmt.Sprintf("flipped the bit %#02x", bit)}, err
	})
}

// ZeroTail overwrites the last n bytes of what was written with zeros, as file systems do that lose a tail.
func ZeroTail(path string, n int64) (Damage, error) {
	return damage(path, func(f *os.File) (Damage, error) {
		end, err := writtenEnd(f)
		if err != nil {
			return Damage{}, err
		}
		n = min(n, end)
		_, err = f.WriteAt(make([]byte, n), end-n)
		return Damage{At: end - n, Bytes: n, What: "zeroed"}, err
	})
}

// Truncate lets the file end n bytes before the end of what was written.
func Truncate(path string, n int64) (Damage, error) {
	return damage(path, func(f *os.File) (Damage, error) {
		end, err := writtenEnd(f)
		if err != nil {
			return Damage{}, err
		}
		n = min(n, end)
		return Damage{At: end - n, Bytes: n, What: "cut off"}, f.Truncate(end - n)
	})
}

func damage(path string, do func(f *os.File) (Damage, error)) (Damage, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return Damage{}, fmt.Errorf("diskfault: damage: %w", err)
	}
	defer f.Close()
	d, err := do(f)
	d.Path = path
	if err != nil {
		return d, fmt.Errorf("diskfault: damage %s: %w", path, err)
	}
	return d, nil
}

// writtenSectors are those that hold something, the last one up to its last byte that is not zero.
func writtenSectors(f *os.File) (list []piece, err error) {
	block := make([]byte, 64<<10)
	for at := int64(0); ; {
		n, err := f.ReadAt(block, at)
		for _, s := range sectors(piece{at, block[:n]}) {
			if !zeros(s.data) {
				list = append(list, piece{s.at, append([]byte(nil), s.data...)})
			}
		}
		if at += int64(n); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, errNothingWritten
	}
	last := &list[len(list)-1]
	for last.data[len(last.data)-1] == 0 {
		last.data = last.data[:len(last.data)-1]
	}
	return list, nil
}

// writtenEnd is where what was written ends.
func writtenEnd(f *os.File) (int64, error) {
	list, err := writtenSectors(f)
	if err != nil {
		return 0, err
	}
	return list[len(list)-1].end(), nil
}
