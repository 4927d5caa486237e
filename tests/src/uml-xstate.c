/*
 * Lets user-mode Linux run on processors whose extended state is larger than the kernel of Debian 12 knows, as
 * those with AMX: it hands ptrace(2) a buffer of a fixed size, the host's kernel refuses to set a register set
 * from less than all of it (regset_set and xstateregs_set, arch/x86/kernel/fpu/regset.c), and the guest panics.
 *
 * Preloaded into the guest's kernel. Reading gives it as much as it has room for; writing puts that into what is
 * there now. What does not fit is state that no program in a guest uses.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long call(long request, long pid, void *address, void *data)
{
	return syscall(SYS_ptrace, request, pid, address, data);
}

static long xstate(long request, long pid, struct iovec *given)
{
	static char whole[1 << 16] __attribute__((aligned(64)));
	struct iovec all = { whole, sizeof whole };
	void *set = (void *)NT_X86_XSTATE;
	size_t known;

	if (call(PTRACE_GETREGSET, pid, set, &all) < 0)
		return -1;
	known = given->iov_len < all.iov_len ? given->iov_len : all.iov_len;
	if (request == PTRACE_GETREGSET) {
		memcpy(given->iov_base, whole, known);
		given->iov_len = known;
		return 0;
	}
	memcpy(whole, given->iov_base, known);
	return call(request, pid, set, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list list;
	long pid, word, result;
	void *address, *data;

	va_start(list, request);
	pid = va_arg(list, pid_t);
	address = va_arg(list, void *);
	data = va_arg(list, void *);
	va_end(list);
	if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) && address == (void *)NT_X86_XSTATE)
		return xstate(request, pid, data);
	/* The C library's own answers these by their value (ptrace(2), "C library/kernel differences"). */
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		result = call(request, pid, address, &word);
		if (result < 0)
			return result;
		errno = 0;
		return word;
	}
	return call(request, pid, address, data);
}
