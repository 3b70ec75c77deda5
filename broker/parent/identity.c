/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rooms' user, as identity.h says.
 */
#include "identity.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <syslog.h>

#include "log.h"

static int user_find(const char *name, struct sandbox_options *ret)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	/* getpwnam(3) lists these for a name that there is not. */
	if (!pw && (errno == 0 || errno == ESRCH || errno == EBADF || errno == EPERM))
		return -ENOENT;
	if (!pw)
		return -errno;
	if (pw->pw_uid == 0)
		return -EPERM;
	*ret = (struct sandbox_options){ true, pw->pw_uid, pw->pw_gid };
	return 0;
}

int identity_choose(const char *name, struct sandbox_options *ret)
{
	int r = user_find(name[0] ? name : "introd", ret);

	if (r == 0)
		return 0;
	if (name[0] || r != -ENOENT) {
		log_line(LOG_ERR, "user \"%s\": %s; wanted an ordinary user of this machine",
			 name[0] ? name : "introd", strerror(-r));
		return r;
	}
	r = user_find("nobody", ret);
	if (r < 0)
		log_line(LOG_ERR, "there is no user \"introd\" and no \"nobody\"; make one by "
			 "useradd --system introd");
	return r < 0 ? r : 1;
}

void identity_warn(void)
{
	log_line(LOG_WARNING, "there is no user \"introd\", so the switch runs as \"nobody\", "
		 "which other programs use too; make one by useradd --system introd");
}
