# "make deb" and "make rpm": packages of what "make build" has made. PROGRAM= and AGENT= on the command line name other
# programs, and then nothing is built. The same programs and sources make the same bytes.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Of the last commit, else (in a source tarball) of its youngest file: no package holds the time at which it was made.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --pretty=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
export SOURCE_DATE_EPOCH
MAINTAINER ?= The pilotlight developers <developers@pilotlight.invalid>
PACKAGE_REVISION ?= 1
built := $(if $(filter file,$(origin PROGRAM)),build)

DEB_ARCH ?= $(shell dpkg --print-architecture)
DEB := $(TARGET)/deb/pilotlight_$(VERSION)-$(PACKAGE_REVISION)_$(DEB_ARCH).deb
# Debian 12 looks for units below /lib, zsh and dracut have places of their own.
DEB_DIRECTORIES := PREFIX=/usr UNITDIR=/lib/systemd/system ZSHDIR=/usr/share/zsh/vendor-completions
deb_tree := $(TARGET)/deb/tree
deb_doc := $(deb_tree)/usr/share/doc/pilotlight

.PHONY: deb rpm
deb: $(built)
	@$(MAKE) --no-print-directory packages PACKAGES="dpkg-dev gzip xz-utils"
	rm -rf $(TARGET)/deb
	mkdir -p $(TARGET)/deb/debian
	$(MAKE) --no-print-directory install DESTDIR=$(abspath $(deb_tree)) $(DEB_DIRECTORIES)
	install -d $(deb_tree)/DEBIAN $(deb_doc)/examples $(deb_tree)/usr/share/lintian/overrides
	install -m 644 packaging/deb/copyright $(deb_doc)
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

RPM_ARCH ?= $(shell uname -m)
rpm_work := $(abspath $(TARGET)/rpm)
# Built from the installed files, as the package of a release is; distributions build the spec from the source tarball.
rpm: $(built)
	@$(MAKE) --no-print-directory packages PACKAGES="rpm"
	rm -rf $(rpm_work)
	mkdir -p $(rpm_work)
	rpmbuild -bb --quiet --target $(RPM_ARCH) --nodeps --build-in-place \
		--define '_topdir $(rpm_work)' --define '_version $(VERSION)' --define '_revision $(PACKAGE_REVISION)' \
		--define 'program $(abspath $(PROGRAM))' --define 'agent $(abspath $(AGENT))' \
		--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
		--define '_buildhost reproducible' packaging/rpm/pilotlight.spec
