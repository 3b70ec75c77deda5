/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro serve, with a real broker: programs that take listeners or descriptors.
 */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_cli.h"

static const char listen_py[] =
	"import os, select, socket\n"
	"assert int(os.environ['LISTEN_PID']) == os.getpid()\n"
	"names = os.environ['LISTEN_FDNAMES'].split(':')\n"
	"socks = [socket.socket(fileno=3 + i) for i in range(int(os.environ['LISTEN_FDS']))]\n"
	"assert len(names) == len(socks)\n"
	"while True:\n"
	"    for s in select.select(socks, [], [])[0]:\n"
	"        c, _ = s.accept()\n"
	"        c.sendall(('by ' + names[socks.index(s)]).encode())\n"
	"        c.close()\n";

static void expect_by_path(const char *file, const char *text)
{
	char back[64] = "";
	int fd = MUST(unix_connect(file, SOCK_STREAM));

	cr_assert(wait_fd(fd, POLLIN));
	MUST(read(fd, back, sizeof back - 1));
	cr_assert_str_eq(back, text);
	close(fd);
}

TEST(cli_serve, a_listener_of_its_own)
{
	char file[PATH_BYTES];
	_cleanup_run_ struct run r;
	struct agent a;
	struct broker b;

	broker_start(&b, NULL);
	make_web(&b, "app", file);
	SERVE(&b, &a, "app", "--listen", "--", "python3", "-c", listen_py);
	CONNECT(&b, &r, "", "app");
	cr_assert_str_eq(r.out, "by app");
	expect_by_path(file, "by app");
	cr_assert_eq(agent_stop(&a), 128 + SIGTERM);
	broker_stop(&b);
}

TEST(cli_serve, the_doors_listeners)
{
	char file[PATH_BYTES];
	_cleanup_run_ struct run r;
	struct agent a;
	struct broker b;

	broker_start(&b, NULL);
	make_web(&b, "app", file);
	SERVE(&b, &a, "app", "--listen=door", "--", "python3", "-c", listen_py);
	expect_by_path(file, "by web");
	CONNECT(&b, &r, "", "app");
	cr_assert_str_eq(r.out, "by app");
	cr_assert_eq(agent_stop(&a), 128 + SIGTERM);
	broker_stop(&b);
}

static const char sockpair_py[] =
	"import array, os, socket, sys\n"
	"assert sys.argv[1] == 'fd@' + os.environ['INTRO_SOCKPAIR']\n"
	"s = socket.socket(fileno=int(os.environ['INTRO_SOCKPAIR']))\n"
	"while True:\n"
	"    data, control, _, _ = s.recvmsg(16, socket.CMSG_LEN(4))\n"
	"    assert len(data) == 1\n"
	"    c = socket.socket(fileno=array.array('i', control[0][2])[0])\n"
	"    c.sendall(b'handed over')\n"
	"    c.close()\n";

TEST(cli_serve, descriptors_over_a_socketpair)
{
	char file[PATH_BYTES];
	struct agent a;
	struct broker b;

	broker_start(&b, NULL);
	make_web(&b, "app", file);
	SERVE(&b, &a, "app", "--sockpair", "--", "python3", "-c", sockpair_py, "fd@{}");
	for (int i = 0; i < 20; i++) {
		_cleanup_run_ struct run r;

		expect_by_path(file, "handed over");
		CONNECT(&b, &r, "", "app");
		cr_assert_str_eq(r.out, "handed over");
	}
	cr_assert_eq(agent_stop(&a), 128 + SIGTERM);
	broker_stop(&b);
}
