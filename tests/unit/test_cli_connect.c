/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro connect, hold and take, with a real broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_cli.h"

TEST(cli_connect, copies_a_file_there_and_back)
{
	const size_t len = 3u << 20;
	char *bytes = malloc(len);
	_cleanup_run_ struct run r;
	struct broker b;
	struct agent agent;
	int in;

	cr_assert_not_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	broker_start(&b, NULL);
	SERVE(&b, &agent, "cat", "--", "cat");
	in = memory_file(bytes, len);
	broker_cli(&b, &r, (const char *const[]){ "intro", "connect", "cat", NULL }, in);
	cr_assert_eq(r.status, 0, "%s", r.err);
	cr_assert_eq(r.out_len, len);
	cr_assert(!memcmp(r.out, bytes, len));
	cr_assert_str_eq(r.err, "", "success is quiet");
	close(in);
	free(bytes);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

TEST(cli_connect, ends_when_the_service_does_though_input_goes_on)
{
	int in[2], null = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));
	struct broker b;
	struct agent agent;
	pid_t client;

	broker_start(&b, NULL);
	SERVE(&b, &agent, "short", "--", "true");
	MUST(pipe2(in, O_CLOEXEC));
	client = spawn_cli(&b, (&(struct spawn){ .in = in[0], .out = null }), "connect", "short");
	cr_assert_eq(child_wait(client), 0);
	close(in[0]);
	close(in[1]);
	close(null);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

TEST(cli_connect, a_program_has_the_socket_in_place)
{
	_cleanup_run_ struct run stdio, other;
	struct broker b;
	struct agent agent;

	broker_start(&b, NULL);
	SERVE(&b, &agent, "greet", "--", "sh", "-c", "read x; echo \"hello $x\"");
	run_cli(&b, &stdio, "connect", "greet", "--", "sh", "-c",
		"echo $INTRO_NAME; read y; echo \"$y\" >&2");
	cr_assert_str_eq(stdio.err, "hello greet\n");
	cr_assert_str_eq(stdio.out, "");
	run_cli(&b, &other, "connect", "greet", "--fd", "7", "--", "sh", "-c",
		"echo seven >&7; read y <&7; echo \"$y\"; exit 5");
	cr_assert_str_eq(other.out, "hello seven\n");
	cr_assert_eq(other.status, 5, "the program's status is ours");
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

/* As ssh with ProxyUseFdpass: one byte and one descriptor come over stdout. */
TEST(cli_connect, passes_the_socket_on)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	char byte[8], line[16] = "";
	struct iovec iov = { byte, sizeof byte };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = sizeof control };
	_cleanup_run_ struct run no_socket;
	struct broker b;
	struct agent agent;
	pid_t client;
	int pair[2], fd;

	broker_start(&b, NULL);
	SERVE(&b, &agent, "hello", "--", "echo", "hello");
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	client = spawn_cli(&b, &(struct spawn){ .out = pair[1] }, "connect", "--fdpass", "hello");
	close(pair[1]);
	cr_assert_eq(child_wait(client), 0);
	cr_assert_eq(recvmsg(pair[0], &mh, MSG_CMSG_CLOEXEC), 1, "exactly one byte");
	cr_assert_eq(control.align.cmsg_len, CMSG_LEN(sizeof(int)), "exactly one descriptor");
	memcpy(&fd, CMSG_DATA(&control.align), sizeof fd);
	cr_assert(wait_fd(fd, POLLIN));
	MUST(read(fd, line, sizeof line - 1));
	cr_assert_str_eq(line, "hello\n");
	close(fd);
	close(pair[0]);

	run_cli(&b, &no_socket, "connect", "--fdpass", "hello");
	cr_assert_eq(no_socket.status, 1);
	cr_assert_not_null(strstr(no_socket.err, "ProxyUseFdpass"), "%s", no_socket.err);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

TEST(cli_connect, waits_for_a_name)
{
	int out = MUST(memfd_create("out", MFD_CLOEXEC));
	_cleanup_run_ struct run vain;
	struct broker b;
	struct agent agent;
	pid_t client;
	char *said;

	broker_start(&b, NULL);
	client = spawn_cli(&b, &(struct spawn){ .out = out }, "connect", "late", "--wait", "10s");
	SERVE(&b, &agent, "late", "--", "echo", "better than never");
	cr_assert_eq(child_wait(client), 0);
	said = fd_read(out, NULL);
	cr_assert_str_eq(said, "better than never\n");
	free(said);
	close(out);

	run_cli(&b, &vain, "connect", "never", "--wait", "50ms");
	cr_assert_eq(vain.status, 111, "%d: %s", vain.status, vain.err);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

TEST(cli_connect, says_what_was_wanted_found_and_to_do)
{
	_cleanup_run_ struct run add, host, web, limited;
	struct broker b;

	broker_start(&b, NULL);
	run_cli(&b, &add, "door", "add", "web");
	run_cli(&b, &host, "connect", "db");
	cr_assert_eq(host.status, 1);
	cr_assert_not_null(strstr(host.err, "\"db\""), "%s", host.err);
	cr_assert_not_null(strstr(host.err, b.host), "%s", host.err);
	cr_assert_not_null(strstr(host.err, "intro serve db"), "%s", host.err);
	run_cli(&b, &web, "connect", "--door", "web", "db");
	cr_assert_eq(web.status, 1);
	cr_assert_not_null(strstr(web.err, "intro grant web db"), "%s", web.err);
	cr_assert_not_null(strstr(web.err, "intro why web db"), "%s", web.err);
	run_cli(&b, &limited, "serve", "--door", "web", "db", "--", "true");
	cr_assert_eq(limited.status, 1);
	cr_assert_not_null(strstr(limited.err, "intro grant web db --serve"), "%s", limited.err);
	broker_stop(&b);
}

TEST(cli_connect, types)
{
	static const char reply[] = "import socket; s = socket.socket(fileno=0); "
				    "s.send(b'packet' + s.recv(100))";
	_cleanup_run_ struct run packets, stream;
	struct broker b;
	struct agent agent;
	int in = memory_file("one", 3);

	broker_start(&b, NULL);
	SERVE(&b, &agent, "p", "--type", "seqpacket", "--", "python3", "-c", reply);
	broker_cli(&b, &packets, (const char *const[]){ "intro", "connect", "p", "--type",
							"seqpacket", NULL }, in);
	cr_assert_str_eq(packets.out, "packetone", "%s", packets.err);
	run_cli(&b, &stream, "connect", "p");
	cr_assert_eq(stream.status, 1);
	cr_assert_not_null(strstr(stream.err, "--type"), "%s", stream.err);
	close(in);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

/* ---- hold and take ---- */

TEST(cli_connect, holds_a_file)
{
	_cleanup_run_ struct run hold, first, again, take, gone;
	struct broker b;
	int in = memory_file("kept\n", 5);

	broker_start(&b, NULL);
	broker_cli(&b, &hold, (const char *const[]){ "intro", "hold", "note", NULL }, in);
	cr_assert_eq(hold.status, 0, "%s", hold.err);
	run_cli(&b, &first, "connect", "note", "--", "cat");
	cr_assert_str_eq(first.out, "kept\n", "%s", first.err);
	/* the same open file: its offset is shared */
	MUST(lseek(in, 0, SEEK_SET));
	run_cli(&b, &again, "connect", "note", "--fd", "9", "--", "sh", "-c", "cat <&9");
	cr_assert_str_eq(again.out, "kept\n", "%s", again.err);
	MUST(lseek(in, 0, SEEK_SET));
	run_cli(&b, &take, "take", "note");
	cr_assert_str_eq(take.out, "kept\n", "%s", take.err);
	run_cli(&b, &gone, "take", "note");
	cr_assert_eq(gone.status, 1, "%d: %s", gone.status, gone.err);
	close(in);
	broker_stop(&b);
}

TEST(cli_connect, what_cannot_be_read_is_put_back)
{
	_cleanup_run_ struct run hold, take, give;
	char dir[DIR_BYTES], path[PATH_BYTES];
	struct broker b;
	int listener;

	broker_start(&b, NULL);
	dir_make(dir);
	snprintf(path, sizeof path, "%s/l", dir);
	listener = unix_listen(path, SOCK_STREAM, 1);
	broker_cli(&b, &hold, (const char *const[]){ "intro", "hold", "l", NULL }, listener);
	cr_assert_eq(hold.status, 0, "%s", hold.err);
	run_cli(&b, &take, "take", "l");
	cr_assert_eq(take.status, 1);
	cr_assert_not_null(strstr(take.err, "put back"), "%s", take.err);
	run_cli(&b, &give, "take", "l", "--fd", "5", "--", "sh", "-c",
		"readlink /proc/self/fd/5; echo $INTRO_NAME");
	cr_assert(!strncmp(give.out, "socket:[", 8), "%s%s", give.out, give.err);
	close(listener);
	dir_remove(dir);
	broker_stop(&b);
}
