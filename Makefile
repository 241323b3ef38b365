# hearken. On a fresh machine with a Rust toolchain and a C compiler:
#   make demo    builds, and transcribes real recordings with the models in models/
#   make test    builds, and runs all tests
#   make bench   builds, and measures training steps, kernels, CTC and filterbanks beside PyTorch, torchaudio and kaldi-native-fbank
# Each installs what else it needs (CMake 3.26 for HDF5; Python readers of our formats for the tests; the peers) into .tools/, without root.

TOOLS := $(CURDIR)/.tools
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/release/hearken
DEMO := $(TARGET)/demo.txt
# Where `make bench` leaves its figures.
RESULTS := $(or $(OUT),benches/results/$(shell date +%F))
export PATH := $(TOOLS)/bin:$(PATH)
# The Python that the tests ask whether readers of other makers read what we write.
export HEARKEN_PYTHON := $(TOOLS)/bin/python

.PHONY: demo test bench build cmake readers

build: cmake
	cargo build --release

# The folder of the recordings, the model, and what is printed: said, heard, the rates.
define transcribe
	@$(BIN) transcribe --model $(2) $$(ls tests/data/$(1)/*.wav) | tee $(DEMO) | \
	  while IFS="$$(printf '\t')" read -r file words; do \
	    id=$$(basename $$file .wav); \
	    printf $(3) "$$id" "$$(sed -n "s/^$$id //p" tests/data/$(1)/text)" "$$words"; \
	  done
	@$(BIN) score tests/data/$(1)/text $(DEMO)
endef

# What a search with these options hears in the second recording.
define step
	@printf '  %-28s' $(1); $(BIN) transcribe $(2) tests/data/english/251-118436-0000.wav
endef

demo: build
	$(call transcribe,english,english,'%s\n  said:  %s\n  heard: %s\n')
	@echo
	@echo "The second one, step by step of the search:"
	$(call step,'best path of the phones',--lm none --beam 1)
	$(call step,'with lexicon and 4-gram',--rnn-lm none)
	$(call step,'rescored by the LSTM',)
	@echo
	$(call transcribe,digits,digits,'%-16s said: %-6s heard: %s\n')

test: cmake readers
	cargo test --release

# A quiet machine and an hour: rows that the file holds already are not measured again. torchaudio's newest wheel does not
# import beside the newest PyTorch: it has an environment of its own.
bench: build
	@test -x $(TOOLS)/peers/bin/python || python3 -m venv $(TOOLS)/peers
	@$(TOOLS)/peers/bin/python -c 'import torch, kaldi_native_fbank' 2>/dev/null \
	  || $(TOOLS)/peers/bin/python -m pip install --quiet torch numpy kaldi-native-fbank
	@test -x $(TOOLS)/torchaudio/bin/python || python3 -m venv $(TOOLS)/torchaudio
	@$(TOOLS)/torchaudio/bin/python -c 'import torchaudio, kaldi_native_fbank' 2>/dev/null \
	  || $(TOOLS)/torchaudio/bin/python -m pip install --quiet torchaudio==2.11.0 torch==2.11.0 numpy kaldi-native-fbank
	$(TOOLS)/peers/bin/python benches/peers/compare.py $(BIN) $(RESULTS).jsonl --features-python $(TOOLS)/torchaudio/bin/python
	$(TOOLS)/peers/bin/python benches/peers/kernels.py $(RESULTS)-kernels.jsonl

cmake:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@cmake --version 2>/dev/null | awk 'NR == 1 { split($$3, v, "."); new = v[1] > 3 || (v[1] == 3 && v[2] >= 26) } END { exit !new }' \
	  || { test -x $(TOOLS)/bin/python || python3 -m venv $(TOOLS); $(TOOLS)/bin/python -m pip install --quiet cmake; }

# h5py reads feature stores, praatio TextGrids, srt and webvtt-py subtitles, meeteval CTM and STM: the last one compiles
# itself against Python's headers, and is done without where they are missing.
readers:
	@$(HEARKEN_PYTHON) -c 'import h5py, praatio, srt, webvtt' 2>/dev/null \
	  || { test -x $(TOOLS)/bin/python || python3 -m venv $(TOOLS); $(TOOLS)/bin/python -m pip install --quiet h5py praatio srt webvtt-py; }
	@$(HEARKEN_PYTHON) -c 'import meeteval' 2>/dev/null \
	  || $(TOOLS)/bin/python -m pip install --quiet meeteval || echo "without meeteval, which reads CTM and STM" >&2
