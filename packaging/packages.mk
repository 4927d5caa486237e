# "make deb" and "make rpm": packages of what "make build" has made. PROGRAM= and AGENT= on the command line name other
# programs, and then nothing is built. The same programs and sources make the same bytes.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Of the last commit, else (in a source tarball) of its youngest file: no package holds the time at which it was made.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --pretty=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
export SOURCE_DATE_EPOCH
MAINTAINER ?= The pilotlight developers <developers@pilotlight.invalid>
PACKAGE_REVISION ?= 1
built := $(if $(filter file,$(origin PROGRAM)),build)

# One machine's two names.
DEB_ARCH ?= $(shell dpkg --print-architecture)
RPM_ARCH ?= $(shell uname -m)
DEB := $(TARGET)/deb/pilotlight_$(VERSION)-$(PACKAGE_REVISION)_$(DEB_ARCH).deb
# Debian 12 looks for units below /lib, zsh and dracut have places of their own.
DEB_DIRECTORIES := PREFIX=/usr UNITDIR=/lib/systemd/system ZSHDIR=/usr/share/zsh/vendor-completions
deb_tree := $(TARGET)/deb/tree
deb_doc := $(deb_tree)/usr/share/doc/pilotlight

# Crates that are linked, with the texts of their licenses, which those ask to be passed on.
third_party := $(TARGET)/third-party.txt

.PHONY: deb rpm third-party
third-party:
	@$(MAKE) --no-print-directory packages PACKAGES=python3-minimal
	mkdir -p $(TARGET)
	$(CARGO) metadata --locked --format-version 1 --filter-platform $(RPM_ARCH)-unknown-linux-gnu >$(third_party).json
	/usr/bin/python3 packaging/third-party.py <$(third_party).json >$(third_party)

deb: $(built) third-party
	@$(MAKE) --no-print-directory packages PACKAGES="dpkg-dev gzip xz-utils"
	rm -rf $(TARGET)/deb
	mkdir -p $(TARGET)/deb/debian
	$(MAKE) --no-print-directory install DESTDIR=$(abspath $(deb_tree)) $(DEB_DIRECTORIES)
	install -d $(deb_tree)/DEBIAN $(deb_doc)/examples $(deb_tree)/usr/share/lintian/overrides
	install -m 644 packaging/deb/copyright $(deb_doc)
	gzip -9 -n <$(third_party) >$(deb_doc)/third-party.txt.gz
	install -m 644 packaging/dracut.conf $(deb_doc)/examples/dracut.conf
	install -m 644 packaging/deb/lintian-overrides $(deb_tree)/usr/share/lintian/overrides/pilotlight
	install -m 644 CHANGELOG.md $(deb_doc)/changelog
	printf 'pilotlight (%s) unstable; urgency=medium\n\n  * See /usr/share/doc/pilotlight/changelog.gz.\n\n -- %s  %s\n' \
		'$(VERSION)-$(PACKAGE_REVISION)' '$(MAINTAINER)' "$$(LC_ALL=C date -u -R -d @$$SOURCE_DATE_EPOCH)" \
		>$(deb_doc)/changelog.Debian
	find $(deb_doc) -name 'changelog*' -exec gzip -9 -n {} +
	find $(deb_tree)/usr/share/man -type f -exec gzip -9 -n {} +
	for link in $$(find $(deb_tree)/usr/share/man -type l); do ln -s $$(readlink $$link).gz $$link.gz && rm $$link || exit; done
	cp packaging/deb/control $(TARGET)/deb/debian/control
# dpkg-shlibdeps does not know that packed relocations (src/boot/build.rs) want glibc 2.36.
	cd $(TARGET)/deb && shlibs=$$(dpkg-shlibdeps -O -xpilotlight tree/usr/bin/pilotlight tree/usr/bin/pilotlight-boot) && \
	sed -e '/^Source:/,/^$$/d' \
		-e "s/@SHLIBS@/$${shlibs#shlibs:Depends=}, libc6 (>= 2.36)/" -e 's/@VERSION@/$(VERSION)-$(PACKAGE_REVISION)/' \
		-e 's/@ARCHITECTURE@/$(DEB_ARCH)/' -e 's/@MAINTAINER@/$(MAINTAINER)/' \
		-e "s/@SIZE@/$$(du -ks --apparent-size tree | cut -f 1)/" debian/control >tree/DEBIAN/control
	cd $(deb_tree) && find etc -type f | sed 's,^,/,' >DEBIAN/conffiles
	cd $(deb_tree) && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums
	chmod -R go-w $(deb_tree)
	find $(deb_tree) -exec touch -h -d @$(SOURCE_DATE_EPOCH) {} +
	dpkg-deb --root-owner-group --threads-max=1 -Zxz --build $(deb_tree) $(DEB)

rpm_work := $(abspath $(TARGET)/rpm)
# Built from the installed files, as the package of a release is; distributions build the spec from the source tarball.
rpm: $(built) third-party
	@$(MAKE) --no-print-directory packages PACKAGES="rpm"
	rm -rf $(rpm_work)
	mkdir -p $(rpm_work)
	rpmbuild -bb --quiet --target $(RPM_ARCH) --nodeps --build-in-place \
		--define '_topdir $(rpm_work)' --define '_version $(VERSION)' --define '_revision $(PACKAGE_REVISION)' \
		--define 'program $(abspath $(PROGRAM))' --define 'agent $(abspath $(AGENT))' \
		--define 'third_party $(abspath $(third_party))' \
		--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
		--define '_buildhost reproducible' packaging/rpm/pilotlight.spec
