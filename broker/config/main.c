/* SPDX-License-Identifier: Apache-2.0 */
/*
 * introd-config: reads a configuration file, says what is wrong with it, or writes it as
 * messages for the parent room. It runs without privileges, once, for the parent; and by
 * itself for `introd --check`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "emit.h"
#include "output.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

#define EXIT_USAGE 100
#define EXIT_TEMPORARY 111

/* The whole file and a NUL; *ret_len without the NUL. NULL after a line of error. */
static char *file_read(const char *path, int fd, size_t *ret_len)
{
	char *text = malloc(CONFIG_FILE_MAX + 2);
	size_t len = 0;
	ssize_t n = 1;

	while (text && n > 0 && len <= CONFIG_FILE_MAX) {
		n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (!text || n < 0 || len > CONFIG_FILE_MAX) {
		if (len > CONFIG_FILE_MAX)
			fprintf(stderr, "%s:1:1: wanted at most %u bytes, found more\n", path,
				CONFIG_FILE_MAX);
		else
			fprintf(stderr, "%s: cannot read it: %s\n", path, strerror(errno));
		free(text);
		return NULL;
	}
	text[len] = '\0';
	*ret_len = len;
	return text;
}

/* Paths in the file may hold these; nothing else of the environment. */
static void environment_reduce(void)
{
	static const char *const kept[] = { "HOME", "XDG_RUNTIME_DIR" };
	char *values[2];

	for (size_t i = 0; i < 2; i++) {
		const char *value = getenv(kept[i]);

		values[i] = value ? strdup(value) : NULL;
	}
	clearenv();
	for (size_t i = 0; i < 2; i++) {
		if (values[i])
			setenv(kept[i], values[i], 1);
		free(values[i]);
	}
}

static const char *default_path(char *buf, size_t size)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");

	if (geteuid() == 0)
		snprintf(buf, size, "%s", SYSCONFDIR "/introd.conf");
	else if (xdg && xdg[0] == '/')
		snprintf(buf, size, "%s/introd.conf", xdg);
	else
		snprintf(buf, size, "%s/.config/introd.conf", home ? home : "");
	return buf;
}

int main(int argc, char **argv)
{
	bool from_stdin = argc == 3 && strcmp(argv[1], "--stdin") == 0;
	bool check_only = argc >= 2 && argc <= 3 && strcmp(argv[1], "--check") == 0;
	int fd = STDIN_FILENO, status = 1;
	char buf[CONFIG_PATH_MAX], *text;
	const char *path;
	size_t len;
	cfg_t *top;

	if (!from_stdin && !check_only) {
		fputs("introd-config: part of introd, which starts it; to check a configuration "
		      "by hand: introd --check [FILE]\n", stderr);
		return EXIT_USAGE;
	}
	path = argc == 3 ? argv[2] : default_path(buf, sizeof buf);
	environment_reduce();
	if (!from_stdin)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		fprintf(stderr, "%s: cannot read it: %s\n", path, strerror(errno));
		return 1;
	}
	text = file_read(path, fd, &len);
	top = text ? check_text(path, text, len) : NULL;
	if (top) {
		int r = check_only ? 0 : emit(top, STDOUT_FILENO);

		if (r < 0)
			fprintf(stderr, "introd-config: %s\n", strerror(-r));
		status = r < 0 ? EXIT_TEMPORARY : 0;
		cfg_free(top);
	}
	free(text);
	if (fd != STDIN_FILENO)
		close(fd);
	return status;
}
