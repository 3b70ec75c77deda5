/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `make install` leaves is enough for somebody else: a program that knows of libintro
 * only what pkg-config says, against a broker that the installed command line starts by
 * itself; and `make uninstall` takes all of it away again.
 */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "real.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define ROOT "/usr/local"

static const char client[] =
	"#include <intro.h>\n"
	"#include <stdio.h>\n"
	"#include <sys/socket.h>\n"
	"#include <unistd.h>\n"
	"int main(void)\n"
	"{\n"
	"	char line[64];\n"
	"	int fd = intro_dial(\"greeter\", SOCK_STREAM, 10000);\n"
	"	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line);\n"
	"	if (fd < 0)\n"
	"		fprintf(stderr, \"%s\\n\", intro_strerror(fd));\n"
	"	return n > 0 && fwrite(line, 1, (size_t)n, stdout) == (size_t)n ? 0 : 1;\n"
	"}\n";

struct installed {
	char dir[DIR_BYTES];		/* DESTDIR; XDG_RUNTIME_DIR is in it */
	char destdir[DIR_BYTES + 16];	/* as variables, of make and of the environment */
	char runtime[DIR_BYTES + 24];
	char libraries[DIR_BYTES + 48];
	char sysroot[DIR_BYTES + 32];
	char packages[DIR_BYTES + 64];
	char path[DIR_BYTES + 128];
	const char *env[8];
};

/* make TARGET in the tree, with the build directory that this test was built in. */
static void make(const struct installed *i, const char *target)
{
	_cleanup_run_ struct run r = { 0 };

	run(&r, &(struct spawn){
		.argv = (const char *const[]){ "make", "-C", SOURCE_DIR, "B=" BUILD_DIR, "SETUP=no",
					       i->destdir, target, NULL },
	});
	cr_assert_eq(r.status, 0, "make %s: %s%s", target, r.out, r.err);
}

static void install(struct installed *i)
{
	dir_make(i->dir);
	snprintf(i->destdir, sizeof i->destdir, "DESTDIR=%s", i->dir);
	snprintf(i->runtime, sizeof i->runtime, "XDG_RUNTIME_DIR=%s", i->dir);
	snprintf(i->libraries, sizeof i->libraries, "LD_LIBRARY_PATH=%s" ROOT "/lib", i->dir);
	snprintf(i->sysroot, sizeof i->sysroot, "PKG_CONFIG_SYSROOT_DIR=%s", i->dir);
	snprintf(i->packages, sizeof i->packages, "PKG_CONFIG_PATH=%s" ROOT "/lib/pkgconfig",
		 i->dir);
	snprintf(i->path, sizeof i->path, "PATH=%s" ROOT "/bin:/usr/bin:/bin", i->dir);
	memcpy(i->env, ((const char *const[]){ i->runtime, i->libraries, i->sysroot, i->packages,
					       i->path, "INTRO_DOOR", NULL }),
	       7 * sizeof i->env[0]);
	make(i, "install");
}

/* Run a shell's line with what was installed. */
static void shell(const struct installed *i, const char *line, struct run *ret)
{
	run(ret, &(struct spawn){
		.argv = (const char *const[]){ "sh", "-ec", line, "sh", i->dir, NULL },
		.env = i->env,
	});
	if (ret->status != 0)
		harness_fail("%s\n%s%s", line, ret->out, ret->err);
}

static int files;

static int count_file(const char *path, const struct stat *st, int flag, struct FTW *where)
{
	(void)st;
	(void)where;
	if (flag == FTW_D)
		return 0;
	files++;
	fprintf(stderr, "left: %s\n", path);
	return 0;
}

TEST(install, serves_strangers)
{
	struct installed i;
	char source[DIR_BYTES + 16], usr[DIR_BYTES + 16];
	_cleanup_run_ struct run built = { 0 }, greeted = { 0 }, static_greeted = { 0 };
	pid_t agent;

	NEED(!SANITIZED, "a stranger's program does not link with a sanitizer's library");
	children_adopt();
	install(&i);
	snprintf(source, sizeof source, "%s/client.c", i.dir);
	file_write(source, client);
	shell(&i, "cd \"$1\"; flags=$(pkg-config --cflags --libs libintro); "
		  "cc -Wall -Werror client.c -o client $flags; "
		  "cc -Wall -Werror client.c -o client-static -I." ROOT "/include "
		  "." ROOT "/lib/libintro.a; "
		  "! readelf -d client-static | grep libintro; "
		  "readelf -d client | grep -q 'libintro.so.0'", &built);

	/* the broker starts because a service wants one */
	agent = spawn(&(struct spawn){
		.argv = (const char *const[]){ "intro", "serve", "greeter", "--", "echo", "hello",
					       NULL },
		.env = i.env,
	});
	shell(&i, "\"$1\"/client", &greeted);
	cr_assert_str_eq(greeted.out, "hello\n");
	shell(&i, "\"$1\"/client-static", &static_greeted);
	cr_assert_str_eq(static_greeted.out, "hello\n");
	/* its sessions would become our children, too */
	cr_assert(childless(agent));
	child_kill(agent);
	/* the broker, which nobody else would end before it has been idle for a while */
	cr_assert_eq(children_end(), 1);

	make(&i, "uninstall");
	snprintf(usr, sizeof usr, "%s/usr", i.dir);
	cr_assert_eq(nftw(usr, count_file, 16, FTW_PHYS), 0);
	cr_assert_eq(files, 0, "%d files are left after make uninstall", files);
	dir_remove(i.dir);
}
