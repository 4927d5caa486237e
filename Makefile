# Everything from a bare Debian 12 with Rust, as root or through sudo.

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
CARGO ?= cargo
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
# The installed program, and the one of the initramfs, which provisions.
PROGRAM := $(TARGET)/release/pilotlight
AGENT := $(TARGET)/release/pilotlight-boot
RUNNER := $(TARGET)/debug/pilotlight-vm-tests
# Bytes, stripped: 8 MiB, and 3.8 MiB for what lives in an initramfs.
PROGRAM_LIMIT := 8388608
AGENT_LIMIT := 3984588
# cargo-deny and cargo-fuzz.
TOOLS := .cache/tools/cargo
# A server that speaks S3 and checks signatures; of its version, too.
MOTO_VERSION := 5.1.4
MOTO := .cache/tools/moto-$(MOTO_VERSION)/installed
# Knows the variables of edk2's firmware; of its version, too.
VIRT_FIRMWARE := .cache/tools/virt-firmware-26.10/installed
# Renders the book in docs/.
MDBOOK := .cache/tools/mdbook-0.5.4/installed
# How long each target of fuzz/ is run.
FUZZ_SECONDS ?= 6
# What is fuzzed is safe Rust: panics, overflows, hangs and memory are found without a sanitizer, five times
# as fast. "address" looks into the unsafe code of dependencies; it works with stable rustc as well.
FUZZ_SANITIZER ?= none
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

# gcc and libc for Rust's linker; g++ for libFuzzer; the programs of tests and initramfs; Ignition to compare with; the VM's and guests' tools.
PACKAGES := gcc libc6-dev g++ \
	e2fsprogs xfsprogs btrfs-progs dosfstools gdisk fdisk mdadm cryptsetup-bin \
	grub-common grub-emu passwd policycoreutils util-linux mount udev systemd kmod dmsetup kpartx iproute2 ca-certificates \
	ignition python3-jsonschema \
	mmdebstrap dracut-core cpio mtools qemu-system-x86 user-mode-linux ovmf grub-efi-amd64-bin grub-pc-bin \
	dnsmasq-base xorriso genisoimage gpg gpg-agent bzip2 lbzip2 xz-utils zstd \
	clevis clevis-luks clevis-tpm2 clevis-systemd jose curl tpm2-tools libpwquality-tools swtpm tang-common \
	tftpd-hpa python3-venv strace shellcheck valgrind dpkg-dev

# For arm64: Debian's own Rust with the standard library of both architectures, unpacked where it disturbs nothing, and
# what it and its linker need. The programs run on this machine by qemu-user.
ARM64_RUST := .cache/tools/arm64-rust-1.96
ARM64_RUST_PACKAGES := rustc-web libllvm22 libstd-rust-web-1.96 libstd-rust-web-dev libstd-rust-web-dev:arm64
ARM64_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user libedit2 libffi8 libstdc++6 libxml2 libz3-4 libzstd1
ARM64_PROGRAMS := $(TARGET)/arm64/aarch64-unknown-linux-gnu/release

# What oem once takes the place of, built from its source.
AFTERBURN := $(TARGET)/afterburn
# Programs that the daemon is compared with. They are not installed: each is unpacked into a directory of its own, with
# what it needs and a bare machine lacks.
PEERS := $(TARGET)/peers/unpacked
PEERS_WITH_NEEDS := google-guest-agent amazon-ec2-net-utils \
	waagent:python3-distro,python3-pkg-resources \
	dbus-daemon:libdbus-1-3,libapparmor1,libexpat1 \
	cloud-init:python3-configobj,python3-jinja2,python3-markupsafe,python3-jsonpatch,python3-json-pointer,python3-netifaces,python3-oauthlib,python3-requests,python3-serial,python3-yaml,python3-six,python3-urllib3,python3-certifi,python3-chardet,python3-idna

.NOTPARALLEL:
.PHONY: build arm64 deps packages demo test lint docs advisories unit peers soak crash fuzz size instructions vm-test vm-test-all clean

# LLVM's outliner (llvm/lib/CodeGen/MachineOutliner.cpp) makes one function of instructions that stand in many places:
# 120 KB of the initramfs program. It is asked for by name where it is not a part of opt-level "z" by itself.
OUTLINED := $(if $(filter x86_64,$(shell uname -m)),-C llvm-args=-enable-machine-outliner=always)
# Where it was built is in no program: the same sources make the same bytes anywhere. Of several prefixes the last that
# fits counts.
REMAPPED := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo --remap-path-prefix=$(CURDIR)=/pilotlight \
	--remap-path-prefix=$(abspath $(TARGET))=/pilotlight/target

build:
	RUSTFLAGS="$(strip $(RUSTFLAGS) $(OUTLINED) $(REMAPPED))" $(CARGO) build --release -p pilotlight -p pilotlight-boot

# Both programs for arm64, then run: they have to say what those of this machine say. Not a part of "test": it is built
# with everything in one piece, like "build", for a quarter of an hour.
arm64: $(ARM64_RUST)/installed build
	$(MAKE) --no-print-directory deps PACKAGES="$(PACKAGES) $(ARM64_PACKAGES)"
	RUSTC=$(abspath $(ARM64_RUST)/rustc) CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
		RUSTFLAGS="$(strip $(RUSTFLAGS) $(REMAPPED))" \
		$(CARGO) build --release --target-dir $(TARGET)/arm64 --target aarch64-unknown-linux-gnu -p pilotlight -p pilotlight-boot
	.ci/arm64 $(ARM64_PROGRAMS) $(TARGET)/release

# The lists of both architectures' packages are kept apart: this machine's own know nothing of arm64.
$(ARM64_RUST)/installed:
	rm -rf $(@D)
	mkdir -p $(@D)/lists/partial $(@D)/cache/archives/partial $(@D)/packages
	cd $(@D)/packages && \
	apt="apt-get -q -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o Dir::State::lists=$$PWD/../lists \
		-o Dir::Cache=$$PWD/../cache -o APT::Sandbox::User=" && \
	$$apt update && $$apt download $(ARM64_RUST_PACKAGES) && \
	for package in *.deb; do dpkg -x $$package .. || exit; done
	rm -rf $(@D)/lists $(@D)/cache $(@D)/packages
	printf '%s\n' '#!/bin/sh' 'root=$$(dirname "$$(readlink -f "$$0")")/usr' \
		'LD_LIBRARY_PATH=$$root/lib/x86_64-linux-gnu exec "$$root/bin/rustc" "$$@"' >$(@D)/rustc
	chmod +x $(@D)/rustc
	touch $@

deps: packages
	@$(MAKE) --no-print-directory $(MOTO) $(VIRT_FIRMWARE) $(TOOLS)/installed

# dpkg -s decides, so that a second run asks nothing of the network.
packages:
	@missing=; for package in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q '^install ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		$(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	fi

$(TOOLS)/installed: .ci/tools.txt
$(MDBOOK): .ci/mdbook.txt
$(VIRT_FIRMWARE): src/install/tests/card/requirements.txt
$(TOOLS)/installed $(VIRT_FIRMWARE) $(MDBOOK):
	rm -rf $(@D)
	/usr/bin/python3 -m venv $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r $<
	touch $@

# Debian's own Python, whatever else is in PATH; 20 seconds and 100 MB.
$(MOTO): tests/s3/requirements.txt
	rm -rf $(@D)
	/usr/bin/python3 -m venv $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --no-deps -r $<
	touch $@

# CONFIG=mine.ign boots another config, CONSOLE=1 leaves a login shell on the node's console.
demo: deps build
	$(CARGO) build --workspace --bin pilotlight-vm-tests
	$(SUDO) $(RUNNER) --agent $(AGENT) demo $(if $(CONFIG),--config $(CONFIG)) $(if $(CONSOLE),--console)

# Ends with the time of each group.
test:
	@MAKE="$(MAKE)" .ci/groups deps "lint unit & fuzz size instructions" vm-test

lint: deps docs
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(TOOLS)/bin/cargo-deny --locked check --hide-inclusion-graph bans licenses sources
	$(TOOLS)/bin/cargo-deny --config deny.toml --manifest-path fuzz/Cargo.toml --locked check --hide-inclusion-graph bans licenses sources
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --workspace --no-deps
	shellcheck --severity=warning --shell=sh $(filter-out %/module-setup.sh,$(wildcard dracut/30pilotlight/*.sh)) dracut/30pilotlight/pilotlight-generator
	shellcheck --severity=warning --shell=sh examples/ab-usr/build examples/ab-usr/try
# Its other variables are dracut's.
	shellcheck --severity=warning --shell=bash --exclude=SC2154 dracut/30pilotlight/module-setup.sh

# Into $(TARGET)/book; a test of tests/book.rs looks at its links.
docs:
	@$(MAKE) --no-print-directory packages PACKAGES=python3-venv
	@$(MAKE) --no-print-directory $(MDBOOK)
	$(dir $(MDBOOK))bin/mdbook build --dest-dir $(abspath $(TARGET))/book docs

# Not a part of "test": fetches the database of advisories, which is not to be had everywhere.
advisories: deps
	$(TOOLS)/bin/cargo-deny --locked check --hide-inclusion-graph advisories
	$(TOOLS)/bin/cargo-deny --config deny.toml --manifest-path fuzz/Cargo.toml --locked check --hide-inclusion-graph advisories

# The tests call the program itself, which "cargo test" does not build. The whole workspace is named wherever
# something of it is built for tests: a single package would choose other features of its dependencies, and
# nearly everything would be compiled once more.
unit: deps
	$(CARGO) build --workspace --all-targets
	.ci/test-times $(CARGO) test --workspace --no-fail-fast

# What the daemon takes the place of, beside it. Clouds' agents of Debian 12: nine megabytes and two minutes. Whether
# Afterburn itself still does what is recorded of it: building it takes seven minutes of processor time;
# UPDATE_GOLDENS=1 records it anew, and "make unit" compares with what is recorded.
peers: deps $(PEERS) $(AFTERBURN)/bin/afterburn
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace --test oem_peers -- --include-ignored
	AFTERBURN_BIN=$(abspath $(AFTERBURN)/bin/afterburn) $(CARGO) test --workspace --test afterburn -- --ignored

$(AFTERBURN)/bin/afterburn:
	$(MAKE) --no-print-directory deps PACKAGES="libssl-dev pkg-config"
	$(CARGO) install --quiet --root $(AFTERBURN) --target-dir $(AFTERBURN)/target --locked --version 5.11.0 afterburn

$(PEERS): Makefile
	rm -rf $(@D)
	mkdir -p $(@D)/packages
	$(SUDO) apt-get update -q
	cd $(@D)/packages && for peer in $(PEERS_WITH_NEEDS); do \
		needs=$$(echo $$peer | tr ':,' '  '); \
		apt-get download -q $$needs || exit; \
		for package in $$needs; do dpkg -x $${package}_*.deb ../$${peer%%:*} || exit; done; \
	done
	touch $@

# What fails once in a hundred times: two thousand partitionings, and every other wait three hundred times, each with
# udev and without; two hours of processor time. "make unit" takes a sample.
soak: deps
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace --test partitioning_race -- --ignored --nocapture
	$(CARGO) test --workspace --test waits_under_load -- --ignored --nocapture

# Power cuts at every flush of a first boot, and hundreds between them; hours. Before them an error of each system call
# that writes, and of each place of a disk; an hour. The same of an installation, with images that are damaged. "make unit" takes a sample.
# CASES="tree accounts" runs only these.
crash: deps
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace --test io_errors -- --ignored --nocapture --test-threads=1
	$(CARGO) test --workspace --test accounts_cut -- --ignored --nocapture
	$(CARGO) test --workspace --test volumes -- --ignored --nocapture
	$(CARGO) test --workspace --test install -- --ignored --nocapture --test-threads=1
	$(CARGO) test --workspace --test crash_consistency -- --ignored --nocapture $(CASES)

# FUZZ_TARGETS="config json" FUZZ_SECONDS=600 looks longer at these. cargo-fuzz asks rustc for options that
# a stable one takes with RUSTC_BOOTSTRAP only.
fuzz: deps
	RUSTC_BOOTSTRAP=1 $(TOOLS)/bin/cargo-fuzz fuzz build --sanitizer $(FUZZ_SANITIZER) --fuzz-dir fuzz --target-dir $(TARGET)/fuzz
	@BIN=$(TARGET)/fuzz/$$(rustc -vV | sed -n 's/^host: //p')/release; export BIN; \
	printf '%s\n' $(FUZZ_TARGETS) | xargs -P 2 -I {} fuzz/run {} $(FUZZ_SECONDS)

# The map that the linker wrote of the same build tells what weighs how much.
size: build
	@for program in $(AGENT):$(AGENT_LIMIT) $(PROGRAM):$(PROGRAM_LIMIT); do \
		limit=$${program##*:}; program=$${program%:*}; bytes=$$(stat -c %s $$program); \
		awk -v bytes=$$bytes -f src/boot/weights.awk $$program.map || exit 1; \
		echo "$$program: $$bytes bytes stripped, limit $$limit"; \
		test $$bytes -lt $$limit || exit 1; \
		foreign=$$(ldd $$program | grep -Ev 'linux-vdso|/ld-linux|libc\.so|libgcc_s\.so' || true); \
		if [ -n "$$foreign" ]; then echo "links more than libc and libgcc:"; echo "$$foreign"; exit 1; fi; \
	done

instructions: deps build
	benches/instructions.sh $(PROGRAM) $(AGENT)

# SCENARIOS="files disks" runs only these; without it a sample is run, and the others are named.
vm-test: deps build
	$(CARGO) build --workspace --bin pilotlight-vm-tests
	$(SUDO) $(RUNNER) --agent $(AGENT) test $(SCENARIOS)

vm-test-all: SCENARIOS := --all
vm-test-all: vm-test

include packaging/install.mk packaging/packages.mk packaging/dist.mk

clean:
	$(CARGO) clean
	$(SUDO) rm -rf .cache
	rm -rf fuzz/found fuzz/artifacts
