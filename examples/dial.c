/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial NAME [LINE]: asks for the service NAME, sends it a line (PING), prints what it answers
 * at once. The socket is introduced by the broker and then this program's own.
 */
#include <intro.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char answer[512];
	int fd = intro_dial(argc > 1 ? argv[1] : "", SOCK_STREAM, 5000);

	if (fd < 0)
		return fprintf(stderr, "dial: %s\n", intro_strerror(fd)), 1;
	signal(SIGPIPE, SIG_IGN); /* a service that only talks may have closed already */
	dprintf(fd, "%s\r\n", argc > 2 ? argv[2] : "PING");
	ssize_t n = read(fd, answer, sizeof answer);
	return n < 0 || write(STDOUT_FILENO, answer, (size_t)n) != n;
}
