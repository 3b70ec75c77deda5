/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complaints and exit codes of roles.h.
 */
#include "roles.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024u	/* longer than any sentence with two addresses in it */

__attribute__((format(printf, 2, 0)))
static void complain_v(const char *before, const char *format, va_list ap, const char *after)
{
	char line[LINE_MAX_BYTES];
	size_t used = 0;
	int n;

	n = snprintf(line, sizeof line, "punch: %s", before);
	used = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
	n = vsnprintf(line + used, sizeof line - used, format, ap);
	used = n >= 0 && used + (size_t)n < sizeof line ? used + (size_t)n : sizeof line - 1;
	n = snprintf(line + used, sizeof line - used, "%s\n", after);
	used = used + (size_t)n < sizeof line ? used + (size_t)n : sizeof line - 1;
	line[used - 1] = '\n';
	/* nobody is left to be told when stderr is gone */
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}

void complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain_v("", format, ap, "");
	va_end(ap);
}

int usage_error(const char *role, const char *format, ...)
{
	char before[64], after[96];
	va_list ap;

	snprintf(before, sizeof before, "%s%s", role, *role ? ": " : "");
	snprintf(after, sizeof after, "\nTry: punch %s%s--help", role, *role ? " " : "");
	va_start(ap, format);
	complain_v(before, format, ap, after);
	va_end(ap);
	return CODE_USAGE;
}

int option_error(const char *role, int c, char **argv)
{
	const char *said = argv[optind - 1];
	char letter[] = { '-', (char)optopt, '\0' };

	/* of letters written together only optopt tells which it was */
	if (said[0] == '-' && said[1] != '-' && optopt > 0 && optopt < 0x80)
		said = letter;
	return usage_error(role, c == ':'		? "the option %s wants a value" :
				 strchr(said, '=') ? "there is no option %s, or it takes no value" :
						     "there is no option %s", said);
}

static int code_of(int error)
{
	switch (-error) {
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRINUSE:
	case ENETUNREACH:
	case ENETDOWN:
	case ETIMEDOUT:
		return CODE_TEMPORARY;
	default:
		return CODE_FAILED;
	}
}

int failed(int error, const char *format, ...)
{
	char after[128];
	va_list ap;

	snprintf(after, sizeof after, ": %s", strerrordesc_np(-error));
	va_start(ap, format);
	complain_v("", format, ap, after);
	va_end(ap);
	return code_of(error);
}

int help(const char *text)
{
	fputs(text, stdout);
	return fflush(stdout) == 0 ? CODE_OK : CODE_FAILED;
}
