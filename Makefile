# SPDX-License-Identifier: Apache-2.0
#
# make             the programs and the library, in build/
# make demo        the main job on real programs
# make check       every test; check-asan: the same with ASan and UBSan
# make sim         the punching engine's simulator; SEED=n PAIR=name draws one trial
# make bench-punch the pages of tests/bench/punch: pairs of NATs, simulated and real, and the relay;
#                  BENCH_QUICK=1 tries less, PAIRS="name name" only those
# make lint | bench | fuzz | clean
# make install | uninstall    PREFIX=/usr/local DESTDIR=
#
# Each installs by apt what it needs and does not find (tests/setup); SETUP=no leaves that out.
# V=1 shows the commands, B=DIR builds elsewhere, WERROR= forgives warnings.

VERSION := 0.1.0
SONAME := libintro.so.0

B ?= build
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec/introd
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)

ifneq ($(V),1)
.SILENT:
endif
MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
.DELETE_ON_ERROR:
.PHONY: all check check-asan sim lint bench bench-punch fuzz demo install uninstall clean force
all:

# ---- what must be installed, before anything else is looked at
sets_all := build
sets_demo := build demo
sets_check := build check
sets_check-asan := build check
sets_sim := build
sets_lint := build check lint
sets_bench := build bench
sets_bench-punch := build bench
sets_fuzz := build fuzz
sets_fuzz-keep := build fuzz
sets_install := build
sets := $(sort $(foreach goal,$(or $(MAKECMDGOALS),all),$(sets_$(goal))))
ifneq ($(SETUP),no)
ifneq ($(sets),)
ifneq ($(shell tests/setup $(sets) >&2 && echo done),done)
$(error something is missing and could not be installed: see above)
endif
endif
endif

# ---- flags; CFLAGS, CPPFLAGS and LDFLAGS stay the caller's
WERROR ?= -Werror
warnings := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wformat=2 $(WERROR)
paths := -DVERSION='"$(VERSION)"' -DBINDIR='"$(BINDIR)"' -DLIBEXECDIR='"$(LIBEXECDIR)"' \
	-DSYSCONFDIR='"$(SYSCONFDIR)"'
ifeq ($(SANITIZE),)
harden := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
link := -Wl,-z,relro,-z,now,-z,defs
else
harden := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
link := $(harden)
# gcc's own words: instrumented code makes these two warn where nothing is wrong.
warnings += $(if $(findstring clang,$(CC)),,-Wno-format-truncation -Wno-maybe-uninitialized)
endif
flags = -std=c11 -D_GNU_SOURCE -I. -Ilibintro -Itests $(warnings) -g $(harden) -pthread
# The library's calls to its own functions are not to be replaced from outside.
pic = $(if $(filter libintro/%,$<),-fPIC -fno-semantic-interposition,-fPIE)
# Criterion's assertions convert to bit fields.
criterion = $(if $(filter tests/unit/% tests/claims/% tests/real/% tests/net/%,$<),-Wno-conversion)
build := $(if $(filter /%,$(B)),$(B),$(CURDIR)/$(B))
where := -DBUILD_DIR='"$(build)"' -DSOURCE_DIR='"$(CURDIR)"'
compile = $(CC) -MMD -MP $(flags) $(pic) $(criterion) $(CPPFLAGS) $(CFLAGS) \
	$(if $(filter tests/%,$<),$(where),$(paths))
program = $(CC) $(link) -pie -pthread $(LDFLAGS) -o $@

# ---- sources; whatever is not there (yet) is not built
objects = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $1))
programs_of = $(patsubst $(B)/obj/%.o,$(B)/%,$1)
lib := $(call objects,libintro/*.c libintro/wire/*.c)
wire := $(call objects,libintro/wire/*.c)
broker := $(call objects,broker/*.c broker/parent/*.c broker/switch/*.c)
config := $(call objects,broker/config/*.c)
store := $(call objects,broker/store/*.c)
punch := $(call objects,libintro/punch/*.c)
cli := $(call objects,cli/*.c)
driver := $(call objects,cli/punch/*.c)
mains := $(addprefix $(B)/obj/,$(addsuffix /main.o,broker broker/config broker/store cli \
	cli/punch tests/sim)) $(B)/obj/tests/net/lab_main.o
unit := $(call objects,tests/unit/*.c)
claims := $(call objects,tests/claims/*.c)
real := $(call objects,tests/real/*.c)
sim := $(call objects,tests/sim/*.c)
net := $(call objects,tests/net/test_*.c)
lab := $(filter-out $(net),$(call objects,tests/net/*.c))
harness := $(call objects,tests/*.c)
examples := $(call objects,examples/*.c)
benches := $(call objects,tests/bench/*.c)
fuzzers := $(call objects,tests/fuzz/*.c)
built := $(lib) $(punch) $(broker) $(config) $(store) $(cli) $(driver) $(harness) $(unit) \
	$(claims) $(real) $(sim) $(net) $(lab) $(examples) $(benches)

programs := $(if $(filter %/broker/main.o,$(broker)),$(B)/introd) \
	$(if $(filter %/config/main.o,$(config)),$(B)/introd-config) \
	$(if $(filter %/store/main.o,$(store)),$(B)/introd-store) \
	$(if $(filter %/cli/main.o,$(cli)),$(B)/intro) \
	$(if $(filter %/punch/main.o,$(driver)),$(B)/punch)
tests := $(if $(unit),$(B)/tests/unit) $(if $(claims),$(B)/tests/claims) \
	$(if $(real),$(B)/tests/real) $(if $(net),$(B)/tests/net)
bench_programs := $(call programs_of,$(benches))
fuzz_programs := $(call programs_of,$(fuzzers))
demos := $(call programs_of,$(examples))

all: $(B)/$(SONAME) $(B)/libintro.a $(programs) $(demos)

# Everything is compiled anew when the flags change.
quoted = '$(subst ','\'',$1)'
$(B)/flags: force
	mkdir -p $(@D)
	printf '%s\n' $(call quoted,$(CC) $(flags) $(paths) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)) >$@.new
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/obj/%.o: %.c $(B)/flags
	mkdir -p $(@D)
	$(compile) -c -o $@ $<

-include $(built:.o=.d) $(fuzzers:.o=.d)

# ---- the library and the programs
map := $(wildcard libintro/libintro.map)
versions := $(map:%=-Wl,--version-script=%)
$(B)/libintro.so.$(VERSION): $(lib) $(map)
	$(CC) -shared $(link) -pthread -Wl,-soname,$(SONAME) \
		$(versions) $(LDFLAGS) -o $@ $(lib)
$(B)/$(SONAME): $(B)/libintro.so.$(VERSION)
	ln -sf $(<F) $@
	ln -sf $(@F) $(B)/libintro.so

archive = rm -f $@ && $(AR) rcs $@ $^
$(B)/libintro.a: $(lib)
	$(archive)
$(B)/wire.a: $(wire)
	$(archive)
$(B)/libpunch.a: $(punch)
	$(archive)
# For the tests; members are linked only where a test calls them.
$(B)/harness.a: $(harness)
	$(archive)
$(B)/units.a: $(filter-out $(mains),$(broker) $(config) $(store) $(cli) $(driver))
	$(archive)
# The simulated NATs and links, for the simulator itself, its tests, and the kernel lab.
$(B)/sim.a: $(filter-out $(mains),$(sim))
	$(archive)

# The lab of kernel NATs, for its tests and for the program that does many trials.
$(B)/lab.a: $(filter-out $(mains),$(lab))
	$(archive)

$(B)/introd: $(broker) $(B)/wire.a
	$(program) $^ -lseccomp -lcap
$(B)/introd-store: $(store) $(addprefix $(B)/obj/broker/,channel.o sandbox.o) $(B)/wire.a
	$(program) $^ -lseccomp -lcap -lsqlite3 -lsodium
$(B)/introd-config: $(config) $(B)/wire.a
	$(program) $^ -lconfuse
$(B)/intro: $(cli) $(B)/obj/cli/punch/udp.o $(B)/libpunch.a $(B)/libintro.a
	$(program) $^ -ljansson $(punching)
punching := -lnettle -lsodium -lm
$(B)/punch: $(driver) $(B)/obj/cli/loop.o $(B)/libpunch.a
	$(program) $^ -ljansson -lminiupnpc -lnatpmp $(punching)
$(B)/tests/sim: $(call objects,tests/sim/main.c) $(B)/sim.a $(B)/libpunch.a
	mkdir -p $(@D)
	$(program) $^ $(punching)
$(B)/tests/lab: $(call objects,tests/net/lab_main.c) $(B)/lab.a $(B)/sim.a $(B)/libpunch.a
	mkdir -p $(@D)
	$(program) $^ -ljansson $(punching)
$(B)/tests/bench/relay_load: $(B)/libpunch.a
$(demos) $(bench_programs): $(B)/%: $(B)/obj/%.o $(B)/libintro.a
	mkdir -p $(@D)
	$(program) $^

# ---- tests
for_tests := $(B)/harness.a $(B)/units.a $(B)/sim.a $(B)/libpunch.a $(B)/libintro.a
$(B)/tests/unit: $(unit) $(for_tests)
$(B)/tests/claims: $(claims) $(for_tests)
$(B)/tests/real: $(real) $(for_tests)
$(B)/tests/net: $(net) $(B)/lab.a $(for_tests)
$(tests):
	mkdir -p $(@D)
	$(program) $^ -lcriterion -lseccomp -lcap -lconfuse -ljansson -lsqlite3 -lminiupnpc \
		-lnatpmp $(punching)

check: all $(tests)
	INTRO_BUILD='$(build)' tests/run $(tests)

check-asan:
	$(MAKE) B=$(B)-asan SANITIZE=address,undefined SETUP=no check

# One simulated introduction, drawn; without a pair or seed the table of all pairs.
sim: $(B)/tests/sim
	$< $(if $(PAIR),--pair $(PAIR)) $(if $(SEED),--draw --trials 1 --seed $(SEED) \
		$(if $(PAIR),,--pair easy-easy))

bench: all $(bench_programs)
	INTRO_BUILD='$(build)' tests/bench/run

bench-punch: $(B)/punch $(B)/tests/sim $(B)/tests/lab $(B)/tests/bench/relay_load
	INTRO_BUILD='$(build)' PAIRS='$(PAIRS)' python3 -B tests/bench/punch/results.py

FUZZ_SECONDS ?= 30
fuzz:
	$(MAKE) B=$(B)-fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined SETUP=no fuzzers
	set -e; for fuzzer in $(notdir $(fuzz_programs)); do \
		mkdir -p $(B)-fuzz/corpus/$$fuzzer tests/fuzz/corpus/$$fuzzer; \
		$(B)-fuzz/tests/fuzz/$$fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=4200 \
			-verbosity=0 -print_final_stats=1 -artifact_prefix=$(B)-fuzz/$$fuzzer- \
			$(B)-fuzz/corpus/$$fuzzer tests/fuzz/corpus/$$fuzzer </dev/null; done
# What was found and covers something new is kept in the tree.
fuzz-keep: fuzz
	set -e; for fuzzer in $(notdir $(fuzz_programs)); do \
		$(B)-fuzz/tests/fuzz/$$fuzzer -merge=1 -verbosity=0 \
			tests/fuzz/corpus/$$fuzzer $(B)-fuzz/corpus/$$fuzzer </dev/null; done
.PHONY: fuzzers fuzz-keep
fuzzers: $(fuzz_programs)
$(fuzz_programs): $(B)/%: $(B)/obj/%.o $(B)/units.a $(B)/libpunch.a $(B)/libintro.a
	mkdir -p $(@D)
	$(program) $(subst fuzzer-no-link,fuzzer,$(link)) $^ -lseccomp -lcap -lconfuse -ljansson \
		-lminiupnpc -lnatpmp $(punching)

# ---- lint
c_files = $(shell git ls-files '*.c' '*.h' 2>/dev/null || find . -name '*.[ch]')
tidied = $(filter-out tests/unit/% tests/claims/% tests/real/% tests/net/%,$(filter %.c,$(c_files)))
man := $(wildcard $(addsuffix /*.[1-8],libintro libintro/wire broker cli cli/punch))
shells := tests/setup tests/run .ci/run $(wildcard tests/bench/run cli/*.bash \
	examples/*.sh tests/*.sh)
.PHONY: lint-clang lint-tidy lint-cppcheck lint-text
lint: lint-clang lint-tidy lint-cppcheck lint-text
lint-clang:
	$(MAKE) B=$(B)-clang CC=clang SETUP=no objects
lint-tidy:
	printf '%s\n' $(tidied) | xargs -n 4 -P $(shell nproc) sh -c \
		'said=$$(clang-tidy --quiet "$$@" -- $(subst ','\'',$(flags) $(paths) $(where)) \
		-include tests/lint.h 2>&1) || { printf "%s\n" "$$said" >&2; exit 1; }' tidy
# Since 2.11 it looks at a part of the branches only, and says so, unless it is told.
lint-cppcheck:
	cppcheck --quiet $$(cppcheck --help | grep -q -e --check-level && \
			echo --check-level=exhaustive) --std=c11 -D_GNU_SOURCE \
		--enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem --error-exitcode=1 \
		-I. -Ilibintro -Itests $(paths) $(where) $(tidied)
lint-text:
	$(if $(man),mandoc -T lint -W warning $(man))
	shellcheck $(shells)
	for file in $(c_files); do lines=$$(wc -l <$$file); [ $$lines -lt 400 ] || \
		echo "$$file: $$lines lines: has it a second duty?" >&2; done
.PHONY: objects
objects: $(built)

# ---- the demonstration, and installation
demo: all
	INTRO_BUILD='$(build)' examples/demo.sh

fill = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' \
	-e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
	-e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' -e 's|@VERSION@|$(VERSION)|g'
# What is filled in, and where it goes; %.in stands beside what it describes.
filled := $(patsubst %.in,$(B)/filled/%,$(wildcard libintro/*.pc.in broker/*.in broker/user/*.in))
$(filled): $(B)/filled/%: %.in $(B)/flags
	mkdir -p $(@D)
	$(fill) $< >$@

# Lines of: mode, file, where to (below DESTDIR).
line = $(if $2,$(foreach file,$2,$1 $(file) $3/$(notdir $(file))\n))
installed = $(call line,755,$(filter %/intro %/introd %/punch,$(programs)),$(BINDIR)) \
	$(call line,755,$(filter %/introd-config %/introd-store,$(programs)),$(LIBEXECDIR)) \
	$(call line,755,$(B)/libintro.so.$(VERSION),$(LIBDIR)) \
	$(call line,644,$(B)/libintro.a,$(LIBDIR)) \
	$(call line,644,libintro/intro.h,$(INCLUDEDIR)) \
	$(call line,644,$(filter %.pc,$(filled)),$(LIBDIR)/pkgconfig) \
	$(foreach page,$(man),$(call line,644,$(page),$(MANDIR)/man$(subst .,,$(suffix $(page))))) \
	$(foreach unit,$(filter %.service %.socket,$(filled)),$(call line,644,$(unit),$(UNITDIR)/$(if \
		$(findstring /user/,$(unit)),user,system))) \
	$(if $(wildcard cli/intro.bash),644 cli/intro.bash $(COMPLETIONDIR)/intro\n)

install: all $(filled)
	printf '$(installed)' | while read -r mode file to; do \
		install -D -m "$$mode" "$$file" "$(DESTDIR)$$to" || exit 1; done
	ln -sf libintro.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libintro.so'
	[ -n '$(DESTDIR)' ] || [ "$$(id -u)" != 0 ] || { ldconfig; for user in introd introd-store; do \
		id $$user >/dev/null 2>&1 || { echo "adding the user $$user, for the system broker"; \
		useradd --system --user-group --no-create-home --home-dir / \
		--shell /usr/sbin/nologin $$user; }; done; }

uninstall:
	printf '$(installed)' | while read -r mode file to; do rm -f "$(DESTDIR)$$to"; done
	rm -f '$(DESTDIR)$(LIBDIR)/$(SONAME)' '$(DESTDIR)$(LIBDIR)/libintro.so'
	rmdir '$(DESTDIR)$(LIBEXECDIR)' 2>/dev/null || :

clean:
	rm -rf $(B) $(B)-asan $(B)-clang $(B)-fuzz
