# "make dist": what a release consists of, in $(TARGET)/dist. The programs of arm64 are there if "make arm64" was run before.
# "make dist-twice" does it in two clones at two places and compares every byte: three quarters of an hour.

DIST := $(TARGET)/dist
CYCLONEDX := .cache/tools/cyclonedx-0.5.9
dist_name := pilotlight-$(VERSION)
# Order, owners, modes and times are the same wherever it is packed.
dist_tar = tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --mtime=@$(SOURCE_DATE_EPOCH) --format=gnu
dist_xz := xz -6 --threads=2 --stdout

.PHONY: dist dist-source dist-programs dist-twice
dist: build dist-source dist-programs $(CYCLONEDX)/bin/cargo-cyclonedx
	$(MAKE) --no-print-directory deb rpm PROGRAM=$(PROGRAM) AGENT=$(AGENT)
	cp $(DEB) $$(find $(TARGET)/rpm/RPMS -name '*.rpm') $(DIST)
	for crate in cli boot; do \
		$(CYCLONEDX)/bin/cargo-cyclonedx cyclonedx --quiet --format json --manifest-path src/$$crate/Cargo.toml \
			--override-filename sbom || exit; \
		done
