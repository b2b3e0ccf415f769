# initd: `make run` and `make check` are all that a newcomer needs; `make help` lists the rest.
VERSION = 0.1.0

OUT     ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
PYTHON  ?= python3

CPPFLAGS_OURS = -Iinclude -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DINITD_VERSION='"$(VERSION)"'
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
           -Wformat=2 -Wvla -Wswitch-enum -Wconversion -Wundef -Wpointer-arith
CFLAGS_OURS = -std=c17 -Oz -fPIE -ffunction-sections -fdata-sections $(WARNINGS) $(if $(WERROR),-Werror)
HARDENING = -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDFLAGS_OURS = -Wl,-z,relro,-z,now,-z,noexecstack,--gc-sections

# SAN=1: address and undefined behaviour sanitizers; they need the dynamic libc.
ifdef SAN
CFLAGS_OURS += -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
LINK_KIND = -pie -fsanitize=address,undefined
else
CFLAGS_OURS += $(HARDENING) -fno-asynchronous-unwind-tables
# Fedora has no static inih; there the binary needs its shared libraries.
LINK_KIND ?= $(if $(findstring /,$(shell $(CC) -print-file-name=libinih.a)),-static-pie,-pie) \
    -Wl,-s$(call ld_option,--no-warnings)
endif

# glibc's linker warns of getpwuid_r in libuv, which is not in our binary: --gc-sections drops it.
ld_option = $(if $(shell $(CC) -Wl,$(1) -xc /dev/null -shared -o /dev/null 2>/dev/null && echo yes),$(comma)$(1))
comma = ,

# libuv's static archive has a name of its own where CMake built it.
UV := $(shell $(PKG_CONFIG) --exists libuv-static 2>/dev/null && echo libuv-static || echo libuv)
LIB_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags $(UV) inih)
LIBS ?= $(shell $(PKG_CONFIG) --static --libs $(UV) inih)

# V=1 shows the commands.
Q = $(if $(V),,@)
say = @$(if $(V),true,printf '  %-4s %s\n' $(1) $(2))

# What every start runs lies together, the rest behind it: fewer pages are touched, and stay in memory.
COLD = activation agent burst bytecode changes cmd_check cmd_client cmd_healthcheck dev editable fingerprint handover \
       hold listener loop_guard patterns scan standby status succession tree unavailable utf8 watch \
       watch_auto watch_inotify
SOURCES = $(filter-out $(COLD:%=src/%.c),$(wildcard src/*.c)) $(COLD:%=src/%.c)
OBJECTS = $(SOURCES:src/%.c=$(OUT)/obj/%.o)

.PHONY: all musl san clang
all: $(OUT)/initd

$(OUT)/initd: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_KIND) $(LDFLAGS_OURS) $(CFLAGS) $(LDFLAGS) -o $@ $(LINK_FIRST) $^ $(LIBS) $(LINK_LAST)

$(OUT)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_OURS) $(LIB_CFLAGS) $(CFLAGS_OURS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The Python side of watch.standby is a part of the binary.
$(OUT)/obj/standby.gz: src/standby.py
	@mkdir -p $(@D)
	$(Q)gzip -9 < $< > $@

$(OUT)/obj/standby.o: $(OUT)/obj/standby.gz
$(OUT)/obj/standby.o: CPPFLAGS_OURS += -DINITD_STANDBY_GZ='"$(OUT)/obj/standby.gz"'

-include $(wildcard $(OUT)/obj/*.d)

san:
	$(MAKE) OUT=build/san SAN=1

clang:
	$(MAKE) OUT=build/clang CC=clang

# ---- static musl: natively on Alpine, with musl's specs and a libuv of our own on Debian ----

# CC with MULTIARCH's specs is what musl-gcc runs, for whatever machine CC compiles for.
MUSL = build/musl
MUSL_CC = $(CC) -specs $(MUSL_LIB)/musl-gcc.specs
IS_MUSL = $(findstring musl,$(shell $(CC) -dumpmachine))

musl:
ifneq ($(IS_MUSL),)
	$(MAKE) OUT=$(MUSL)
else
	@$(call install_missing,MUSL)
	$(MAKE) $(MUSL)/lib/libuv.a
	$(MAKE) OUT=$(MUSL) CC='$(MUSL_CC)' \
	    LIB_CFLAGS='-idirafter $(MUSL)/kernel -I$(MUSL)/libuv/include -isystem $(MUSL)/inih' \
	    LIBS='$(MUSL)/lib/libuv.a $(shell $(CC) -print-file-name=libinih.a)' \
	    LINK_KIND='-static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text,-s' \
	    LINK_FIRST='$(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o $(shell $(CC) -print-file-name=crtbeginS.o)' \
	    LINK_LAST='$(shell $(CC) -print-file-name=crtendS.o) $(MUSL_LIB)/crtn.o'
endif

# For arm64 on another machine.
.PHONY: arm64
arm64:
	@dpkg --print-foreign-architectures | grep -qx arm64 || $(SUDO) dpkg --add-architecture arm64
	@$(call install_missing,ARM64)
	$(MAKE) musl MUSL=build/arm64 CC=aarch64-linux-gnu-gcc

MULTIARCH = $(shell $(CC) -print-multiarch)
MUSL_LIB = /usr/lib/$(subst -gnu,-musl,$(MULTIARCH))

# MUSL_CC sees no kernel headers and no inih; show it just these.
$(MUSL)/kernel:
	mkdir -p $@ $(MUSL)/inih
	ln -sfn /usr/include/linux $@/linux
	ln -sfn /usr/include/asm-generic $@/asm-generic
	ln -sfn /usr/include/$(MULTIARCH)/asm $@/asm
	ln -sfn /usr/include/ini.h $(MUSL)/inih/ini.h

# The distribution's own source package, found through a package list of our own: apt's stays as it is.
APT = apt-get -qq -o Dir::Etc::SourceList=$(CURDIR)/$(MUSL)/apt/sources.list -o Dir::Etc::SourceParts=/dev/null \
      -o Dir::State::Lists=$(CURDIR)/$(MUSL)/apt/lists -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=

# Mirrors may lack the sources of security updates; a point release has the same in its main archive, so that is asked first.
$(MUSL)/libuv/include/uv.h:
	mkdir -p $(MUSL)/apt/lists/partial
	apt-get indextargets --format 'deb-src $$(REPO_URI) $$(RELEASE) $$(COMPONENT)' 'Created-By: Packages' \
	    | sort -u > $(MUSL)/apt/all.list
	cd $(MUSL)/apt && for last in -security none; do \
	    grep -v -e "$$last " all.list > sources.list; \
	    $(APT) update && $(APT) -o APT::Sandbox::User=root source libuv1 && break; \
	done
	rm -rf $(MUSL)/libuv
	mv $(MUSL)/apt/libuv1-*/ $(MUSL)/libuv
	touch $@

UV_SOURCES = $(addprefix src/,fs-poll idna inet random strscpy strtok thread-common threadpool timer uv-common \
    uv-data-getter-setters version) $(addprefix src/unix/,async core dl fs getaddrinfo getnameinfo loop loop-watcher \
    pipe poll process random-devurandom signal stream tcp thread tty udp proctitle linux linux-core linux-inotify \
    linux-syscalls procfs-exepath random-getrandom random-sysctl-linux epoll)

# A list that fits several versions: what this one does not have is passed over.
$(MUSL)/lib/libuv.a: $(MUSL)/libuv/include/uv.h | $(MUSL)/kernel
	mkdir -p $(MUSL)/lib/obj
	rm -f $@
	for name in $(UV_SOURCES); do \
	    file=$(MUSL)/libuv/$$name.c; [ -e $$file ] || continue; \
	    $(MUSL_CC) -std=gnu11 -Os -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong \
	        -fno-asynchronous-unwind-tables -w -D_GNU_SOURCE \
	        -idirafter $(MUSL)/kernel -I$(MUSL)/libuv/include -I$(MUSL)/libuv/src \
	        -c -o $(MUSL)/lib/obj/$$(basename $$name).o $$file || exit 1; \
	done
	$(shell $(CC) -print-prog-name=ar) rcs $@ $(MUSL)/lib/obj/*.o

# ---- tests ----

UNIT = parse config env agent privs lifecycle json log http health status patterns burst loop_guard tree fingerprint \
    bytecode editable activation
UNIT_BINARIES = $(UNIT:%=$(OUT)/unit/test_%)

# What each unit test links: its module and what that stands on, nothing else.
NEEDS_parse     = parse
NEEDS_config    = config options http env parse json utf8 error patterns
NEEDS_env       = env parse error
NEEDS_agent     = agent error
NEEDS_privs     = privs parse error
NEEDS_lifecycle = lifecycle
NEEDS_http      = http parse
NEEDS_health    = health
NEEDS_status    = status health probe http parse json utf8
NEEDS_json      = json utf8
NEEDS_log       = log json utf8
NEEDS_patterns  = patterns
NEEDS_burst     = burst
NEEDS_loop_guard  = loop_guard
NEEDS_tree      = tree
NEEDS_fingerprint = fingerprint
NEEDS_bytecode  = bytecode
NEEDS_editable  = editable
NEEDS_activation = activation agent env parse error

UNIT_LIBS = $(shell $(PKG_CONFIG) --libs cmocka) $(shell $(PKG_CONFIG) --libs inih)

.PHONY: check-unit
check-unit: $(UNIT_BINARIES)
	@failed=; for test in $^; do $$test || failed=1; done; [ -z "$$failed" ]

-include $(wildcard $(OUT)/unit/*.d)

.SECONDEXPANSION:
$(OUT)/unit/test_%: tests/unit/test_%.c $$(addprefix $(OUT)/obj/,$$(addsuffix .o,$$(NEEDS_$$*)))
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS_OURS) $(shell $(PKG_CONFIG) --cflags cmocka) $(CFLAGS_OURS) $(CPPFLAGS) $(CFLAGS) \
	    -MMD -MP -pie $(if $(SAN),-fsanitize=address$(comma)undefined) $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(UNIT_LIBS)

# libFuzzer: what it finds is kept in build/fuzz; a case worth keeping goes to tests/fuzz/seeds.
FUZZ = http status control options patterns editable
FUZZ_SECONDS ?= 60
NEEDS_options = $(NEEDS_config)
NEEDS_control = control $(NEEDS_status)

.PHONY: fuzz
fuzz: $(FUZZ:%=build/fuzz/fuzz_%)
	@for name in $(FUZZ); do \
	    mkdir -p build/fuzz/$$name; seeds=tests/fuzz/seeds/$$name; [ -d $$seeds ] || seeds=; \
	    build/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/ build/fuzz/$$name $$seeds >build/fuzz/$$name.log 2>&1 || \
	        { tail -n 60 build/fuzz/$$name.log; exit 1; }; \
	    echo "fuzz_$$name: $$(sed -n 's/^stat::number_of_executed_units: *//p' build/fuzz/$$name.log) inputs"; \
	done

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $$(addprefix src/,$$(addsuffix .c,$$(NEEDS_$$*))) $(wildcard include/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)clang $(CPPFLAGS_OURS) $(LIB_CFLAGS) -std=c17 -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -o $@ $(filter %.c,$^) $(LIBS)

# The integration tests start each binary as PID 1; servers and engines get glibc and musl by themselves. Most of
# their time is waiting. On a machine that others use, too, a time limit may be missed: what fails is run once more,
# and named in either case.
PYTEST = $(VENV)/bin/python -B -m pytest -q -p no:cacheprovider -rsR --reruns 1
PARALLEL = -n $$(($$(nproc) + 1))
VENV = build/venvs/tests

REQUIREMENTS = tests/requirements.txt tests/images/requirements.txt

$(VENV)/.complete: $(REQUIREMENTS)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet $(REQUIREMENTS:%=--requirement %)
	touch $@

.PHONY: check check-build check-integration check-arm64 check-servers check-container check-images headers layers
check: deps-check
	$(MAKE) check-build
	$(MAKE) check-unit
	$(MAKE) check-unit OUT=build/san SAN=1
	$(MAKE) fuzz FUZZ_SECONDS=10
	$(MAKE) check-all-python

# Every compiler, every libc, no warning; headers stand alone and includes go downwards.
check-build: headers layers lint
	$(MAKE) WERROR=1
	$(MAKE) WERROR=1 CC=clang OUT=build/clang
	$(MAKE) WERROR=1 SAN=1 OUT=build/san
	$(MAKE) WERROR=1 musl

headers:
	@for header in include/*.h; do \
	    $(CC) $(CPPFLAGS_OURS) $(LIB_CFLAGS) -std=c17 $(WARNINGS) -Werror -fsyntax-only -xc $$header || exit 1; done

layers:
	tests/layers.sh

check-integration: $(VENV)/.complete
	$(PYTEST) $(PARALLEL) tests/integration

# The same for arm64, under qemu-user. Not a part of check: it takes longer, and wants arm64's packages.
check-arm64:
	@$(call install_missing,CHECK_ARM64)
	$(MAKE) arm64 $(VENV)/.complete
	$(SUDO) tests/qemu_user.sh env INITD_BINARY=build/arm64/initd $(PYTEST) $(PARALLEL) tests/integration

check-servers: $(VENV)/.complete
	$(PYTEST) tests/servers

check-container: $(VENV)/.complete
	$(PYTEST) tests/container

# The engines and their daemons are there once.
check-all-python: $(VENV)/.complete
	INITD_BINARY=build/musl/initd $(PYTEST) $(PARALLEL) tests/integration
	INITD_BINARY=build/san/initd $(PYTEST) $(PARALLEL) tests/integration
	$(PYTEST) -n 2 -m "not alone" tests/servers
	$(PYTEST) -m alone tests/servers
	$(PYTEST) tests/images/test_conf.py tests/images/test_lint.py
	$(PYTEST) tests/container

# The images and what runs them, in all variants: half an hour.
check-images: deps-check $(VENV)/.complete
	@$(call install_missing,IMAGES)
	$(MAKE) all musl
	$(PYTEST) tests/images
	$(MAKE) check-arm64

.PHONY: figures
figures: all musl $(VENV)/.complete
	$(PYTHON) tests/bench/figures.py $(FIGURES)
	$(PYTHON) tests/bench/health.py $(HEALTH_FIGURES)
	$(VENV)/bin/python -B tests/bench/watch.py $(WATCH_FIGURES)

# ---- the rest ----

.PHONY: run lint format install clean help deps deps-check

# The port that `make run` serves on.
PORT ?= 8000
OWNER = $(shell stat -c %u:%g .)

run: deps
	@$(MAKE) --no-print-directory
	@echo "The sample agent is at http://127.0.0.1:$(PORT)/ - Ctrl-C stops it."
	@HOST=127.0.0.1 PORT=$(PORT) AGENT_DIR=tests/agent/src $(OUT)/initd \
	    -o server.working_dir=$(CURDIR)/tests/agent/src -o user.name=$(OWNER)

lint:
	clang-format --dry-run -Werror src/*.c include/*.h tests/unit/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch]
	for file in src/*.c; do clang-tidy --quiet $$file -- -std=c17 $(CPPFLAGS_OURS) -DINITD_STANDBY_GZ='"/dev/null"' $(LIB_CFLAGS) 2>/dev/null || exit 1; done
	cppcheck --std=c11 --enable=warning,style,performance,portability --suppress=missingIncludeSystem \
	    --suppress=variableScope --suppress=ctuuninitvar --suppress=ctuPointerArith --suppress=unreadVariable:src/plan.c --quiet --error-exitcode=1 -Iinclude -D_GNU_SOURCE src/
	shellcheck tests/*.sh .ci/run conf/completions/initd.bash

format:
	clang-format -i src/*.c include/*.h tests/unit/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch]

install: all
	install -D -m 755 $(OUT)/initd $(DESTDIR)$(PREFIX)/bin/initd
	install -D -m 644 man/initd.8 $(DESTDIR)$(PREFIX)/share/man/man8/initd.8
	install -D -m 644 man/initd.ini.5 $(DESTDIR)$(PREFIX)/share/man/man5/initd.ini.5
	install -D -m 644 conf/completions/initd.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/initd
	install -D -m 644 conf/completions/_initd $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_initd

clean:
	rm -rf build

help:
	@echo "make run       install what is missing, build, run the sample agent"
	@echo "make check     install what is missing, run all tests"
	@echo "make           build/initd          make musl     build/musl/initd, static musl"
	@echo "make arm64     build/arm64/initd, the same for arm64 on another machine    make check-arm64"
	@echo "make check-images  what is in Dockerfile.example and conf/, in all variants, and arm64 under qemu-user"
	@echo "make san       build/san/initd, with ASan and UBSan"
	@echo "make fuzz      libFuzzer, [FUZZ_SECONDS=60] for each target"
	@echo "make figures   measure initd beside tini, dumb-init and catatonit"
	@echo "make lint | format | install [DESTDIR= PREFIX=] | deps | deps-check | clean"

# ---- what a machine needs: installed only where it is missing ----

BUILD_apt = gcc libc6-dev make pkg-config libuv1-dev libinih-dev python3
BUILD_apk = gcc musl-dev linux-headers make pkgconf libuv-dev libuv-static inih-dev python3
BUILD_dnf = gcc glibc-devel glibc-static make pkgconf-pkg-config libuv-devel libuv-static inih-devel python3

MUSL_apt  = musl-tools dpkg-dev
ARM64_apt = gcc-aarch64-linux-gnu musl-dev:arm64 libinih-dev:arm64 linux-libc-dev:arm64 dpkg-dev

CHECK_apt = $(BUILD_apt) $(MUSL_apt) clang clang-format clang-tidy cppcheck shellcheck libcmocka-dev \
    python3-venv ca-certificates util-linux mount procps strace \
    docker.io podman runc buildah debootstrap debian-archive-keyring nginx golang-go git rsync vim \
    mandoc groff-base zsh
IMAGES_apt = iproute2 iptables
CHECK_ARM64_apt = qemu-user-static python3-venv ca-certificates util-linux mount procps strace git rsync vim
CHECK_apk = $(BUILD_apk) clang cmocka-dev py3-pip util-linux procps strace
CHECK_dnf = $(BUILD_dnf) clang libcmocka-devel python3-pip util-linux procps-ng strace

SUDO = $(shell [ "$$(id -u)" = 0 ] || echo sudo)

deps:
	@$(call install_missing,BUILD)

deps-check:
	@$(call install_missing,CHECK)

define install_missing
if command -v apt-get >/dev/null; then \
    missing=$$(for name in $($(1)_apt); do \
        dpkg-query -W -f '$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || echo $$name; done); \
    [ -z "$$missing" ] || { $(SUDO) apt-get update -qq && \
        $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing; }; \
elif command -v apk >/dev/null; then \
    missing=$$(for name in $($(1)_apk); do apk info -e $$name >/dev/null || echo $$name; done); \
    [ -z "$$missing" ] || $(SUDO) apk add --quiet $$missing; \
elif command -v dnf >/dev/null; then \
    missing=$$(for name in $($(1)_dnf); do rpm -q $$name >/dev/null || echo $$name; done); \
    [ -z "$$missing" ] || $(SUDO) dnf install --quiet --assumeyes $$missing; \
else \
    echo "no apt-get, apk or dnf: install by hand what stands at the end of the Makefile" >&2; exit 1; \
fi
endef
