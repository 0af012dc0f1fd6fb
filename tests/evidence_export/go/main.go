// Command verify checks an evidence bundle with the code behind Go's checksum database:
// golang.org/x/mod/sumdb/note opens the checkpoint, golang.org/x/mod/sumdb/tlog checks tiles and proofs.
//
//	verify VKEY FOLDER
//
// Exit status 0: the bundle holds; 1: it does not, and standard error says why.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: verify VKEY FOLDER")
		os.Exit(2)
	}
	summary, err := verify(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("ok:", summary)
}

func verify(vkey, folder string) (string, error) {
	data, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return "", err
	}
	tree, err := openCheckpoint(vkey, data)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(folder, "tile")); err == nil {
		return checkTiles(tree, folder)
	}
	return checkEntries(vkey, tree, folder)
}

// openCheckpoint returns the tree that the key signed, under the origin of its name.
func openCheckpoint(vkey string, data []byte) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("malformed size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("malformed root")
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// folderTiles reads tiles below a folder; C2SP leaves the height out of the path.
type folderTiles struct{ folder string }

func (t folderTiles) Height() int                           { return height }
func (t folderTiles) SaveTiles(tiles []tlog.Tile, _ [][]byte) {}

func (t folderTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		read, err := os.ReadFile(t.path(tile))
		if err != nil {
			return nil, err
		}
		data[i] = read
	}
	return data, nil
}

func (t folderTiles) path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return filepath.Join(t.folder, "tile", strings.Replace(path, "data/", "entries/", 1))
}

// checkTiles checks every tile against the signed root, and every entry against the tiles.
func checkTiles(tree tlog.Tree, folder string) (string, error) {
	tiles := folderTiles{folder}
	hashes := tlog.TileHashReader(tree, tiles)
	last := map[[2]int64]tlog.Tile{}
	// NewTiles lists a partial tile once for each width on the way; only the last one is in a bundle.
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		last[[2]int64{int64(tile.L), tile.N}] = tile
	}
	for _, tile := range last {
		due, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return "", err
		}
		found, err := tiles.ReadTiles([]tlog.Tile{tile})
		if err != nil {
			return "", err
		}
		if !bytes.Equal(due, found[0]) {
			return "", fmt.Errorf("tile %s differs", tile.Path())
		}
		if tile.L == 0 {
			if err := checkBundle(tile, tiles, hashes); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("%d entries, %d tiles", tree.N, len(last)), nil
}

// checkBundle checks the entries whose hashes are in a tile of level 0.
func checkBundle(tile tlog.Tile, tiles folderTiles, hashes tlog.HashReader) error {
	place := tile
	place.L = -1
	data, err := os.ReadFile(tiles.path(place))
	if err != nil {
		return err
	}
	for i := 0; i < tile.W; i++ {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return fmt.Errorf("%s is too short", place.Path())
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		index := tile.N<<height + int64(i)
		due, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return err
		}
		if tlog.RecordHash(data[2:end]) != due[0] {
			return fmt.Errorf("entry %d differs", index)
		}
		data = data[end:]
	}
	if len(data) != 0 {
		return fmt.Errorf("%s is too long", place.Path())
	}
	return nil
}

// checkEntries checks each entry of a sample by its proof.
func checkEntries(vkey string, tree tlog.Tree, folder string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "entries", "*.json"))
	if err != nil || len(paths) == 0 {
		return "", errors.New("nothing to check")
	}
	for _, path := range paths {
		if err := checkEntry(vkey, tree, path); err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return fmt.Sprintf("%d sampled entries of %d", len(paths), tree.N), nil
}

func checkEntry(vkey string, tree tlog.Tree, path string) error {
	entry, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(path, ".json")
	data, err := os.ReadFile(name + ".tlog-proof")
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != "index "+filepath.Base(name) {
		return errors.New("malformed proof")
	}
	proved, err := openCheckpoint(vkey, []byte(checkpoint))
	if err != nil {
		return err
	}
	if proved != tree {
		return errors.New("the proof leads to another checkpoint")
	}
	index, err := strconv.ParseInt(filepath.Base(name), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return errors.New("malformed hash in the proof")
		}
		proof = append(proof, tlog.Hash(*(*[tlog.HashSize]byte)(hash)))
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}
