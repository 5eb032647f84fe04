// SPDX-License-Identifier: GPL-2.0
/*
 * XDP programs for tests, attached to an interface while this runs.
 *
 *	xdp INTERFACE pass|drop|tx|redirect [PORT] [OTHER]
 *
 * A UDP datagram over IPv4 whose destination is PORT is counted, and dropped (drop), sent back
 * with its addresses and ports exchanged (tx), or sent out of the interface OTHER
 * (redirect). All else is passed; with "pass" all is, and each frame is counted.
 *
 * Theory
 * ------
 * The programs are written in instructions here, since a guest has no compiler and no loader. They
 * are attached in driver mode, through a link that is gone when this process is. "ready" is
 * printed when it is attached; SIGTERM has "COUNT frames" printed and ends it.
 *
 * Exit: 0 it was attached, 1 it was not (one line says why), 2 usage.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSN(c, d, s, o, i)	((struct bpf_insn) {				\
	.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV_REG(d, s)		INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV_IMM(d, i)		INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_IMM(d, i)		INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o)	INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, s, o)	INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_IMM(size, d, o, i) INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define JUMP(op, d, i, o)	INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define JUMP_REG(op, d, s, o)	INSN(BPF_JMP | (op) | BPF_X, d, s, o, 0)
#define CALL(f)			INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT()			INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* Of a frame without options: where things are, and where its UDP payload begins. */
#define TYPE_AT		12
#define PROTOCOL_AT	23
#define ADDRESSES_AT	26
#define PORTS_AT	34
#define PAYLOAD_AT	42

/* Until it is known where a jump goes. */
#define TO_PASS		0x7ffe
#define MOST_INSNS	128

/**
 * struct xdp_code - a program that is being written
 * @insn: its instructions
 * @num: how many
 */
struct xdp_code {
	struct bpf_insn insn[MOST_INSNS];
	unsigned int num;
};

static void __attribute__((format(printf, 2, 3), noreturn))
xdp_die(int status, const char *fmt, ...)
{
	va_list args;

	fputs("xdp: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

static int xdp_bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static void xdp_put(struct xdp_code *code, struct bpf_insn insn)
{
	if (code->num == MOST_INSNS)
		xdp_die(1, "the program is too long");
	code->insn[code->num++] = insn;
}

/* r6: context, r7: the frame, r8: its end. Goes on only with a datagram to @port. */
static void xdp_match(struct xdp_code *code, uint16_t port)
{
	xdp_put(code, MOV_REG(BPF_REG_6, BPF_REG_1));
	xdp_put(code, LOAD(BPF_W, BPF_REG_7, BPF_REG_1, offsetof(struct xdp_md, data)));
	xdp_put(code, LOAD(BPF_W, BPF_REG_8, BPF_REG_1, offsetof(struct xdp_md, data_end)));
	xdp_put(code, MOV_REG(BPF_REG_2, BPF_REG_7));
	xdp_put(code, ADD_IMM(BPF_REG_2, PAYLOAD_AT));
	xdp_put(code, JUMP_REG(BPF_JGT, BPF_REG_2, BPF_REG_8, TO_PASS));
	xdp_put(code, LOAD(BPF_H, BPF_REG_2, BPF_REG_7, TYPE_AT));
	xdp_put(code, JUMP(BPF_JNE, BPF_REG_2, __builtin_bswap16(0x0800), TO_PASS));
	xdp_put(code, LOAD(BPF_B, BPF_REG_2, BPF_REG_7, PROTOCOL_AT));
	xdp_put(code, JUMP(BPF_JNE, BPF_REG_2, 17, TO_PASS));
	xdp_put(code, LOAD(BPF_H, BPF_REG_2, BPF_REG_7, PORTS_AT + 2));
	xdp_put(code, JUMP(BPF_JNE, BPF_REG_2, __builtin_bswap16(port), TO_PASS));
}

/* One more in the only entry of the map. */
static void xdp_count(struct xdp_code *code, int map)
{
	xdp_put(code, STORE_IMM(BPF_W, BPF_REG_10, -4, 0));
	xdp_put(code, MOV_REG(BPF_REG_2, BPF_REG_10));
	xdp_put(code, ADD_IMM(BPF_REG_2, -4));
	xdp_put(code, INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map));
	xdp_put(code, INSN(0, 0, 0, 0, 0));
	xdp_put(code, CALL(BPF_FUNC_map_lookup_elem));
	xdp_put(code, JUMP(BPF_JEQ, BPF_REG_0, 0, TO_PASS));
	xdp_put(code, MOV_IMM(BPF_REG_1, 1));
	xdp_put(code, INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD));
}

static void xdp_exchange(struct xdp_code *code, int size, int16_t one, int16_t other)
{
	xdp_put(code, LOAD(size, BPF_REG_2, BPF_REG_7, one));
	xdp_put(code, LOAD(size, BPF_REG_3, BPF_REG_7, other));
	xdp_put(code, STORE(size, BPF_REG_7, BPF_REG_3, one));
	xdp_put(code, STORE(size, BPF_REG_7, BPF_REG_2, other));
}

/* Sums stay as they were: what they are of is only exchanged. */
static void xdp_turn(struct xdp_code *code)
{
	int16_t i;

	for (i = 0; i < 6; i += 2)
		xdp_exchange(code, BPF_H, i, (int16_t)(6 + i));
	xdp_exchange(code, BPF_W, ADDRESSES_AT, ADDRESSES_AT + 4);
	xdp_exchange(code, BPF_H, PORTS_AT, PORTS_AT + 2);
}

static void xdp_end(struct xdp_code *code, uint32_t act)
{
	xdp_put(code, MOV_IMM(BPF_REG_0, (int32_t)act));
	xdp_put(code, EXIT());
}

static void xdp_write(struct xdp_code *code, const char *act, uint16_t port, unsigned int other,
		      int map)
{
	unsigned int i, pass;

	if (strcmp(act, "pass"))
		xdp_match(code, port);
	xdp_count(code, map);
	if (!strcmp(act, "drop")) {
		xdp_end(code, XDP_DROP);
	} else if (!strcmp(act, "tx")) {
		xdp_turn(code);
		xdp_end(code, XDP_TX);
	} else if (!strcmp(act, "redirect")) {
		xdp_put(code, MOV_IMM(BPF_REG_1, (int32_t)other));
		xdp_put(code, MOV_IMM(BPF_REG_2, 0));
		xdp_put(code, CALL(BPF_FUNC_redirect));
		xdp_put(code, EXIT());
	}
	pass = code->num;
	xdp_end(code, XDP_PASS);
	for (i = 0; i < pass; i++)
		if (code->insn[i].off == TO_PASS)
			code->insn[i].off = (int16_t)(pass - i - 1);
}

static int xdp_make_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1,
	};
	const int map = xdp_bpf(BPF_MAP_CREATE, &attr);

	if (map < 0)
		xdp_die(1, "no map: %s", strerror(errno));
	return map;
}

static int xdp_load(const struct xdp_code *code)
{
	static char log[65536];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP, .insn_cnt = code->num,
		.insns = (uintptr_t)code->insn, .license = (uintptr_t)"GPL",
		.log_level = 1, .log_size = sizeof(log), .log_buf = (uintptr_t)log,
	};
	const int prog = xdp_bpf(BPF_PROG_LOAD, &attr);

	if (prog < 0)
		xdp_die(1, "the program is refused: %s\n%s", strerror(errno), log);
	return prog;
}

static void xdp_attach(int prog, unsigned int interface)
{
	union bpf_attr attr = {
		.link_create = {
			.prog_fd = (uint32_t)prog, .target_ifindex = interface,
			.attach_type = BPF_XDP, .flags = XDP_FLAGS_DRV_MODE,
		},
	};

	if (xdp_bpf(BPF_LINK_CREATE, &attr) < 0)
		xdp_die(1, "it cannot be attached: %s", strerror(errno));
}

static uint64_t xdp_counted(int map)
{
	uint32_t key = 0;
	uint64_t value = 0;
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)&key, .value = (uintptr_t)&value,
	};

	if (xdp_bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		xdp_die(1, "the count is gone: %s", strerror(errno));
	return value;
}

static unsigned int xdp_interface(const char *name)
{
	const unsigned int index = if_nametoindex(name);

	if (!index)
		xdp_die(2, "there is no interface %s", name);
	return index;
}

int main(int argc, char **argv)
{
	static const char * const acts[] = { "pass", "drop", "tx", "redirect" };
	unsigned int interface, other = 0, i;
	struct xdp_code code = { .num = 0 };
	sigset_t term;
	int map, got;

	for (i = 0; i < 4 && argc >= 3 && strcmp(argv[2], acts[i]); i++)
		;
	if (i == 4 || argc != (i == 0 ? 3 : i == 3 ? 5 : 4))
		xdp_die(2, "usage: xdp INTERFACE pass | drop PORT | tx PORT | redirect PORT OTHER");
	interface = xdp_interface(argv[1]);
	if (argc == 5)
		other = xdp_interface(argv[4]);

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	map = xdp_make_map();
	xdp_write(&code, argv[2], (uint16_t)(argc > 3 ? atoi(argv[3]) : 0), other, map);
	xdp_attach(xdp_load(&code), interface);
	puts("ready");
	fflush(stdout);
	sigwait(&term, &got);
	printf("%llu frames\n", (unsigned long long)xdp_counted(map));
	return 0;
}
