# initd: `make run` and `make check` are all that a newcomer needs; `make help` lists the rest.
VERSION = 0.1.0

OUT     ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
PYTHON  ?= python3

CPPFLAGS_OURS = -Iinclude -D_GNU_SOURCE -DINITD_VERSION='"$(VERSION)"'
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
           -Wformat=2 -Wvla -Wswitch-enum -Wconversion -Wundef -Wpointer-arith
CFLAGS_OURS = -std=c17 -Os -fPIE -ffunction-sections -fdata-sections $(WARNINGS) $(if $(WERROR),-Werror)
HARDENING = -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDFLAGS_OURS = -Wl,-z,relro,-z,now,-z,noexecstack,--gc-sections

# SAN=1: address and undefined behaviour sanitizers; they need the dynamic libc.
ifdef SAN
CFLAGS_OURS += -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
LINK_KIND = -pie -fsanitize=address,undefined
else
CFLAGS_OURS += $(HARDENING) -fno-asynchronous-unwind-tables
LINK_KIND ?= -static-pie -Wl,-s$(call ld_option,--no-warnings)
endif

# glibc's linker warns of getpwuid_r in libuv, which is not in our binary: --gc-sections drops it.
ld_option = $(if $(shell $(CC) -Wl,$(1) -xc /dev/null -shared -o /dev/null 2>/dev/null && echo yes),$(comma)$(1))
comma = ,

# libuv's static archive has a name of its own where CMake built it.
UV = $(shell $(PKG_CONFIG) --exists libuv-static 2>/dev/null && echo libuv-static || echo libuv)
LIB_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags $(UV) inih)
LIBS ?= $(shell $(PKG_CONFIG) --static --libs $(UV) inih)

SOURCES = $(wildcard src/*.c)
OBJECTS = $(SOURCES:src/%.c=$(OUT)/obj/%.o)

.PHONY: all musl san clang
all: $(OUT)/initd

$(OUT)/initd: $(OBJECTS)
	$(CC) $(LINK_KIND) $(LDFLAGS_OURS) $(LDFLAGS) -o $@ $(LINK_FIRST) $^ $(LIBS) $(LINK_LAST)

$(OUT)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_OURS) $(LIB_CFLAGS) $(CPPFLAGS) $(CFLAGS_OURS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(OUT)/obj/*.d)

san:
	$(MAKE) OUT=build/san SAN=1

clang:
	$(MAKE) OUT=build/clang CC=clang

# ---- static musl: natively on Alpine, with musl-gcc and a libuv of our own on Debian ----

MUSL = build/musl
IS_MUSL = $(findstring musl,$(shell $(CC) -dumpmachine))

musl:
ifneq ($(IS_MUSL),)
	$(MAKE) OUT=$(MUSL)
else
	$(MAKE) $(MUSL)/lib/libuv.a
	$(MAKE) OUT=$(MUSL) CC=musl-gcc \
	    LIB_CFLAGS='-idirafter $(MUSL)/kernel -I$(MUSL)/libuv/include -isystem $(MUSL)/inih' \
	    LIBS='$(MUSL)/lib/libuv.a $(shell $(CC) -print-file-name=libinih.a)' \
	    LINK_KIND='-static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text,-s' \
	    LINK_FIRST='$(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o $(shell $(CC) -print-file-name=crtbeginS.o)' \
	    LINK_LAST='$(shell $(CC) -print-file-name=crtendS.o) $(MUSL_LIB)/crtn.o'
endif

MULTIARCH = $(shell $(CC) -print-multiarch)
MUSL_LIB = /usr/lib/$(MULTIARCH:-gnu=-musl)

# musl-gcc sees no kernel headers and no inih; show it just these.
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
	    musl-gcc -std=gnu11 -Os -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong \
	        -fno-asynchronous-unwind-tables -w -D_GNU_SOURCE \
	        -idirafter $(MUSL)/kernel -I$(MUSL)/libuv/include -I$(MUSL)/libuv/src \
	        -c -o $(MUSL)/lib/obj/$$(basename $$name).o $$file || exit 1; \
	done
	ar rcs $@ $(MUSL)/lib/obj/*.o
