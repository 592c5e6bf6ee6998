// Command tlogcheck holds the exchange's transparency log against the Go implementations of the
// formats: golang.org/x/mod/sumdb/{note,tlog} and filippo.io/torchwood.
//
// "tlogcheck make" writes what Go makes as JSON: keys, notes, cosignatures, roots, proofs, tiles.
// "tlogcheck check" reads the same shape from standard input, made by the exchange's code, and
// fails at the first thing that Go does not accept.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "suanli-exchange/ledger"

type vectors struct {
	LogSecretKey string            `json:"log_secret_key"`
	LogKey       string            `json:"log_key"`
	WitnessKey   string            `json:"witness_key"`
	Trees        []tree            `json:"trees"`
	Tiles        map[string]string `json:"tiles"` // of the largest tree, path to Base64
	Bundles      map[string]string `json:"bundles"`
}

type tree struct {
	Size        int64         `json:"size"`
	Root        string        `json:"root"`
	Checkpoint  string        `json:"checkpoint"` // signed by the log, cosigned by the witness
	Consistency []consistency `json:"consistency"`
	Inclusion   []string      `json:"inclusion"` // proof files
}

type consistency struct {
	OldSize int64    `json:"old_size"`
	Proof   []string `json:"proof"`
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused by Go:", err)
		os.Exit(1)
	}
	return value
}

func check(err error) { must(0, err) }

func entry(n int64) []byte { return []byte(fmt.Sprintf("entry %d", n)) }

type store []tlog.Hash

func (s store) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = s[index]
	}
	return found, nil
}

func grown(size int64) store {
	var hashes store
	for n := int64(0); n < size; n++ {
		hashes = append(hashes, must(tlog.StoredHashes(n, entry(n), hashes))...)
	}
	return hashes
}

func seed(name string) []byte { sum := sha256.Sum256([]byte(name)); return sum[:] }

func olds(size int64) []int64 {
	found := []int64{}
	for _, old := range []int64{1, 2, 3, 7, 8, 255, 256, 257, 300, 65536, size - 1, size} {
		if old > 0 && old <= size {
			found = append(found, old)
		}
	}
	return found
}

func makeVectors() {
	logKey := ed25519.NewKeyFromSeed(seed("log"))
	vkey := must(note.NewEd25519VerifierKey(origin, logKey.Public().(ed25519.PublicKey)))
	id := vkey[len(origin)+1 : len(origin)+9]
	packed := base64.StdEncoding.EncodeToString(append([]byte{1}, logKey.Seed()...))
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", origin, id, packed)
	signer := must(note.NewSigner(skey))
	witness := must(torchwood.NewCosignatureSigner(
		"regulator.example/witness", ed25519.NewKeyFromSeed(seed("witness"))))
	out := vectors{LogSecretKey: skey, LogKey: vkey, WitnessKey: witness.Verifier().String(),
		Tiles: map[string]string{}, Bundles: map[string]string{}}
	sizes := []int64{1, 2, 3, 5, 8, 255, 256, 257, 1000, 65536, 65537, 70000}
	largest := sizes[len(sizes)-1]
	hashes := grown(largest)
	for _, size := range sizes {
		root := must(tlog.TreeHash(size, hashes))
		text := torchwood.Checkpoint{Origin: origin, Tree: tlog.Tree{N: size, Hash: root}}.String()
		signed := must(note.Sign(&note.Note{Text: text}, signer, witness))
		one := tree{Size: size, Root: root.String(), Checkpoint: string(signed)}
		for _, old := range olds(size) {
			step := consistency{OldSize: old, Proof: []string{}}
			for _, h := range must(tlog.ProveTree(size, old, hashes)) {
				step.Proof = append(step.Proof, h.String())
			}
			one.Consistency = append(one.Consistency, step)
			proof := must(tlog.ProveRecord(size, old-1, hashes))
			one.Inclusion = append(one.Inclusion, string(torchwood.FormatProofWithExtraData(
				old-1, entry(old-1), proof, signed)))
		}
		out.Trees = append(out.Trees, one)
	}
	for _, tile := range tlog.NewTiles(torchwood.TileHeight, 0, largest) {
		// Level 0 is 273 tiles: the first, and those at the edge, are enough.
		if tile.L == 0 && tile.N > 0 && tile.N < 272 {
			continue
		}
		path := torchwood.TilePath(tile)[len("tile/"):]
		data := must(tlog.ReadTileData(tile, hashes))
		out.Tiles[path] = base64.StdEncoding.EncodeToString(data)
	}
	for _, tile := range []tlog.Tile{{H: 8, L: -1, N: 0, W: 256}, {H: 8, L: -1, N: 273, W: 112}} {
		var bundle []byte
		for n := tile.N * 256; n < tile.N*256+int64(tile.W); n++ {
			bundle = must(torchwood.AppendTileEntry(bundle, entry(n)))
		}
		path := torchwood.TilePath(tile)[len("tile/"):]
		out.Bundles[path] = base64.StdEncoding.EncodeToString(bundle)
	}
	writer := json.NewEncoder(os.Stdout)
	writer.SetIndent("", " ")
	writer.SetEscapeHTML(false)
	check(writer.Encode(out))
}

func checkVectors() {
	var in vectors
	check(json.NewDecoder(os.Stdin).Decode(&in))
	logKey := must(note.NewVerifier(in.LogKey))
	signer := must(note.NewSigner(in.LogSecretKey))
	witness := must(torchwood.NewCosignatureVerifier(in.WitnessKey))
	policy := torchwood.ThresholdPolicy(3, torchwood.OriginPolicy(logKey.Name()),
		torchwood.SingleVerifierPolicy(logKey), torchwood.SingleVerifierPolicy(witness))
	if signer.KeyHash() != logKey.KeyHash() {
		check(fmt.Errorf("secret key is not that of %s", in.LogKey))
	}
	known := map[int64]tlog.Hash{}
	proofs := 0
	sort.Slice(in.Trees, func(a, b int) bool { return in.Trees[a].Size < in.Trees[b].Size })
	for _, one := range in.Trees {
		head, _, err := torchwood.VerifyCheckpoint([]byte(one.Checkpoint), policy)
		check(err)
		if head.N != one.Size || head.Hash.String() != one.Root {
			check(fmt.Errorf("checkpoint of %d says %d", one.Size, head.N))
		}
		known[one.Size] = head.Hash
		for _, step := range one.Consistency {
			var proof tlog.TreeProof
			for _, text := range step.Proof {
				proof = append(proof, must(tlog.ParseHash(text)))
			}
			if old, ok := known[step.OldSize]; ok {
				check(tlog.CheckTree(proof, head.N, head.Hash, step.OldSize, old))
				proofs++
			}
		}
		for _, file := range one.Inclusion {
			extra := must(torchwood.ProofExtraData([]byte(file)))
			check(torchwood.VerifyProof(policy, tlog.RecordHash(extra), []byte(file)))
			proofs++
		}
	}
	for path, text := range in.Tiles {
		tile := must(torchwood.ParseTilePath("tile/" + path))
		data := must(base64.StdEncoding.DecodeString(text))
		if len(data) != tile.W*32 || torchwood.TilePath(tile) != "tile/"+path {
			check(fmt.Errorf("tile %s has %d bytes", path, len(data)))
		}
	}
	for path, text := range in.Bundles {
		tile := must(torchwood.ParseTilePath("tile/" + path))
		rest := must(base64.StdEncoding.DecodeString(text))
		for n := 0; n < tile.W; n++ {
			one, after, err := torchwood.ReadTileEntry(rest)
			check(err)
			if want := entry(tile.N*256 + int64(n)); !bytes.Equal(one, want) {
				check(fmt.Errorf("bundle %s: entry %d is %q", path, n, one))
			}
			rest = after
		}
	}
	fmt.Printf("%d trees, %d proofs, %d tiles, %d bundles\n",
		len(in.Trees), proofs, len(in.Tiles), len(in.Bundles))
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "make" {
		makeVectors()
	} else if len(os.Args) == 2 && os.Args[1] == "check" {
		checkVectors()
	} else {
		fmt.Fprintln(os.Stderr, "usage: tlogcheck make | check")
		os.Exit(2)
	}
}
