# "make install": puts what "make build" has made, and everything beside it, below DESTDIR. It builds nothing, so that
# root need not. Directories are Fedora's and Flatcar's; packaging/packages.mk has Debian's.

DESTDIR ?=
# Another one than /usr is written into the units. dracut looks for modules below /usr/lib alone.
PREFIX ?= /usr
SYSCONFDIR ?= /etc
BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec
UNITDIR ?= $(PREFIX)/lib/systemd/system
DRACUTDIR ?= $(PREFIX)/lib/dracut/modules.d
DATADIR ?= $(PREFIX)/share/pilotlight
MANDIR ?= $(PREFIX)/share/man/man1
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
# iproute2 reads this one in every version.
IPROUTE2DIR ?= $(SYSCONFDIR)/iproute2/rt_protos.d
# "no" leaves out everything under the names of other tools: links, units, man pages, completions. Both can then be
# installed side by side.
OLD_NAMES ?= yes
# What prints the schemas: a program that runs here, where the installed one is for other machines.
SCHEMA_PROGRAM ?= $(PROGRAM)

# The program under the names of what it takes the place of. Units of Fedora CoreOS call two of them in libexec.
OLD_PROGRAMS := afterburn coreos-installer coreos-metadata flatcar-install \
	ignition ignition-apply ignition-rmcfg ignition-validate
OLD_LIBEXEC := ignition-apply ignition-rmcfg
SCHEMA_VERSIONS := 3.0 3.1 3.2 3.3 3.4 3.5 3.6 3.7

old_names := $(filter-out no,$(OLD_NAMES))
OWN := pilotlight pilotlight-boot pilotlight.% pilotlight-% _pilotlight
own_files = $(foreach file,$(wildcard $(1)),$(if $(old_names)$(filter $(OWN),$(notdir $(file))),$(file)))
at = $(DESTDIR)$(1)
# $(call moved,PROGRAM,FROM,TO,MODE): where the program is stands in units and in the module of dracut.
moved = sed -e 's,/usr/bin/$(1),$(BINDIR)/$(1),g' $(2) >$(3) && chmod $(4) $(3)

.PHONY: install
install:
	@for program in $(PROGRAM) $(AGENT); do \
		test -x $$program || { echo "$$program is not there: run \"make build\" first" >&2; exit 1; }; \
	done
	install -d $(call at,$(BINDIR)) $(call at,$(LIBEXECDIR)) $(call at,$(UNITDIR)) $(call at,$(DRACUTDIR))/30pilotlight \
		$(call at,$(DATADIR))/schema $(call at,$(MANDIR)) $(call at,$(BASHDIR)) $(call at,$(ZSHDIR)) $(call at,$(FISHDIR)) \
		$(call at,$(IPROUTE2DIR))
	install -m 755 $(PROGRAM) $(call at,$(BINDIR))/pilotlight
	install -m 755 $(AGENT) $(call at,$(BINDIR))/pilotlight-boot
	set -e; for file in $(call own_files,systemd/*.service); do \
		$(call moved,pilotlight,$$file,$(call at,$(UNITDIR))/$${file##*/},644); \
	done
	install -m 644 $(filter-out %.sh %-generator,$(wildcard dracut/30pilotlight/*)) $(call at,$(DRACUTDIR))/30pilotlight
	install -m 755 $(wildcard dracut/30pilotlight/*.sh) dracut/30pilotlight/pilotlight-generator $(call at,$(DRACUTDIR))/30pilotlight
	$(call moved,pilotlight-boot,dracut/30pilotlight/module-setup.sh,$(call at,$(DRACUTDIR))/30pilotlight/module-setup.sh,755)
	install -m 644 $(call own_files,docs/man/*.1) $(call at,$(MANDIR))
	set -e; for file in $(call own_files,docs/completions/*.bash); do \
		name=$${file##*/}; install -m 644 $$file $(call at,$(BASHDIR))/$${name%.bash}; \
	done
	install -m 644 $(call own_files,docs/completions/_*) $(call at,$(ZSHDIR))
	install -m 644 $(call own_files,docs/completions/*.fish) $(call at,$(FISHDIR))
	install -m 644 docs/report.schema.json $(call at,$(DATADIR))/schema/report.schema.json
	install -m 644 docs/iproute2/pilotlight.conf $(call at,$(IPROUTE2DIR))/pilotlight.conf
	set -e; for version in $(SCHEMA_VERSIONS); do \
		$(SCHEMA_PROGRAM) schema $$version >$(call at,$(DATADIR))/schema/ignition-$$version.schema.json; \
		chmod 644 $(call at,$(DATADIR))/schema/ignition-$$version.schema.json; \
	done
ifneq ($(old_names),)
	for name in $(OLD_PROGRAMS); do ln -sf pilotlight $(call at,$(BINDIR))/$$name || exit; done
	for name in $(OLD_LIBEXEC); do ln -srf $(call at,$(BINDIR))/pilotlight $(call at,$(LIBEXECDIR))/$$name || exit; done
	ln -sf afterburn.1 $(call at,$(MANDIR))/coreos-metadata.1
endif
