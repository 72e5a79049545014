"""Entry points of the numba backend, by the names that `lowbit.ops` calls."""

from lowbit.kernels.cpu.amax import finite_amax as finite_amax
from lowbit.kernels.cpu.amax import long_block_amaxes as long_block_amaxes
from lowbit.kernels.cpu.amax import run_amax_range as run_amax_range
from lowbit.kernels.cpu.blockwise import blockwise_items as blockwise_items
from lowbit.kernels.cpu.chosen_grids import chosen_grid_items as chosen_grid_items
from lowbit.kernels.cpu.dequantize_codes import dequantize_items as dequantize_items
from lowbit.kernels.cpu.dequantize_words import dequantize_word_items as dequantize_word_items
from lowbit.kernels.cpu.exact_items import exact_qdq_items as exact_qdq_items
from lowbit.kernels.cpu.exact_items import exact_quantize_items as exact_quantize_items
from lowbit.kernels.cpu.fake_quantize import qdq_items as qdq_items
from lowbit.kernels.cpu.hadamard import rotate_columns as rotate_columns
from lowbit.kernels.cpu.hadamard import rotate_rows as rotate_rows
from lowbit.kernels.cpu.hadamard import rotated_amax as rotated_amax
from lowbit.kernels.cpu.hadamard import rotated_column_amax as rotated_column_amax
from lowbit.kernels.cpu.hadamard import rotation_pieces as rotation_pieces
from lowbit.kernels.cpu.jit import entry_point as entry_point
from lowbit.kernels.cpu.packing import UNPACK_CHUNK as UNPACK_CHUNK
from lowbit.kernels.cpu.packing import unpack_items as unpack_items
from lowbit.kernels.cpu.quantize_codes import quantize_items as quantize_items
from lowbit.kernels.cpu.random import random_items as random_items
from lowbit.kernels.cpu.scheduler import run_ranges as run_ranges
from lowbit.kernels.cpu.sparsity import prune_items as prune_items
