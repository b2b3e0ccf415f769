/* SPDX-License-Identifier: MIT */
/* Says who it runs as, in an image that holds nothing else. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	printf("uid=%d gid=%d\n", (int)getuid(), (int)getgid());
	return 0;
}
