# "make dist": what a release consists of, in $(TARGET)/dist: the sources with all crates, and of programs built from just
# those sources a tarball and packages, what they are made of (CycloneDX), and checksums. The programs of arm64 come along
# if "make arm64" was run before. It takes the last commit, and a release build of its own.
#
# "make dist-twice" does it in two clones at two places and compares every byte: the sources, the programs, the packages.

DIST := $(abspath $(TARGET))/dist
CYCLONEDX_VERSION := 0.5.9
CYCLONEDX := $(abspath .cache/tools/cyclonedx-$(CYCLONEDX_VERSION))
dist_name := pilotlight-$(VERSION)
dist_work := $(DIST)/work
dist_source := $(dist_work)/$(dist_name)
dist_programs := $(dist_work)/target/release
# Order, owners, modes and times are the same wherever it is packed. Blocks of xz do not depend on how many threads there
# are, from two on.
dist_tar = tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --mtime=@$(SOURCE_DATE_EPOCH) --format=gnu \
	--use-compress-program='xz -6 --threads=2' --create --file=$(2) $(1)

.PHONY: dist dist-source dist-packages dist-twice
dist: dist-source
# Of nothing but the tarball's contents: neither a network nor what cargo has at home.
	CARGO_NET_OFFLINE=true CARGO_HOME=$(dist_work)/home $(MAKE) -C $(dist_source) build CARGO_TARGET_DIR=$(dist_work)/target
	$(MAKE) dist-packages PROGRAM=$(dist_programs)/pilotlight AGENT=$(dist_programs)/pilotlight-boot
	if [ -x $(ARM64_PROGRAMS)/pilotlight-boot ]; then \
		$(MAKE) dist-packages PROGRAM=$(abspath $(ARM64_PROGRAMS))/pilotlight AGENT=$(abspath $(ARM64_PROGRAMS))/pilotlight-boot \
			SCHEMA_PROGRAM=$(dist_programs)/pilotlight DEB_ARCH=arm64 RPM_ARCH=aarch64; \
	fi
	rm -rf $(dist_work)
	cd $(DIST) && sha256sum -- * >SHA256SUMS && cat SHA256SUMS

# The tarball and what the programs are made of.
dist-source: $(CYCLONEDX)/bin/cargo-cyclonedx
	@$(MAKE) --no-print-directory packages PACKAGES="dpkg-dev rpm xz-utils git"
	rm -rf $(DIST)
	mkdir -p $(dist_work)
	git archive --prefix=$(dist_name)/ --output=$(dist_work)/commit.tar HEAD
	tar --extract --directory $(dist_work) --file=$(dist_work)/commit.tar
# It writes beside every manifest of the workspace.
	cd $(dist_source) && $(CYCLONEDX)/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 \
		--describe binaries --target $(shell uname -m)-unknown-linux-gnu --manifest-path src/cli/Cargo.toml
	sed 's,file://$(dist_source),file:///pilotlight,g' $(dist_source)/src/cli/pilotlight_bin.cdx.json >$(DIST)/$(dist_name).cdx.json
	sed 's,file://$(dist_source),file:///pilotlight,g' $(dist_source)/src/boot/pilotlight-boot_bin.cdx.json \
		>$(DIST)/pilotlight-boot-$(VERSION).cdx.json
	find $(dist_source) -name '*.cdx.json' -delete
	cd $(dist_source) && $(CARGO) vendor --quiet --locked vendor
	mkdir -p $(dist_source)/.cargo
	printf '%s\n' '[source.crates-io]' 'replace-with = "vendored"' '[source.vendored]' 'directory = "vendor"' \
		>$(dist_source)/.cargo/config.toml
	$(call dist_tar,--directory $(dist_work) $(dist_name),$(DIST)/$(dist_name).tar.xz)

dist-packages:
	$(MAKE) --no-print-directory deb rpm
	mv $(TARGET)/deb/*.deb $(DIST)
	mv $$(find $(TARGET)/rpm/RPMS -name '*.rpm') $(DIST)
	rm -rf $(dist_work)/tree
	$(MAKE) --no-print-directory install DESTDIR=$(dist_work)/tree
	$(call dist_tar,--directory $(dist_work)/tree .,$(DIST)/$(dist_name)-linux-$(RPM_ARCH).tar.xz)

dist-twice:
	rm -rf $(TARGET)/dist-twice
	set -e; for place in one another/place/by/name; do \
		git clone --quiet . $(TARGET)/dist-twice/$$place; \
		env -u CARGO_TARGET_DIR $(MAKE) -C $(TARGET)/dist-twice/$$place dist CYCLONEDX=$(CYCLONEDX); \
	done
	diff -r $(TARGET)/dist-twice/one/target/dist $(TARGET)/dist-twice/another/place/by/name/target/dist
	@echo "the same in every byte:"
	@cat $(TARGET)/dist-twice/one/target/dist/SHA256SUMS

$(CYCLONEDX)/bin/cargo-cyclonedx:
	$(CARGO) install --quiet --locked --root $(CYCLONEDX) --target-dir $(TARGET)/cyclonedx --version $(CYCLONEDX_VERSION) cargo-cyclonedx
