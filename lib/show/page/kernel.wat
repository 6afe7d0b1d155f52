;; The hot loop of the page: y = x W + b on WebAssembly's 128-bit SIMD, in float32.
;;
;; W comes in panels of 8 columns, so that the inner loop reads it from front to back: [nOut / 8][nIn][8]. Four rows of x by one panel make
;; eight sums that stay in registers. The caller pads: rows to a multiple of 4, columns to a multiple of 8. All addresses and sizes are bytes.
;; kernel.ts is its caller; `npm run build-kernel` makes kernel.wasm of it.
(module
  (import "env" "memory" (memory 1))
  (func (export "linear")
    (param $x i32) (param $xEnd i32)    ;; rows of x
    (param $w i32) (param $wEnd i32)    ;; panels of W
    (param $b i32)                      ;; bias
    (param $y i32)                      ;; result
    (param $xRow i32) (param $yRow i32) ;; size of a row of x, of y
    (local $row i32) (local $out i32) (local $p i32) (local $q i32) (local $end i32) (local $x2 i32) (local $x3 i32)
    (local $w0 v128) (local $w1 v128) (local $s v128)
    (local $a0 v128) (local $a1 v128) (local $b0 v128) (local $b1 v128)
    (local $c0 v128) (local $c1 v128) (local $d0 v128) (local $d1 v128)
    (local.set $x2 (i32.mul (local.get $xRow) (i32.const 2)))
    (local.set $x3 (i32.mul (local.get $xRow) (i32.const 3)))
    (loop $panels
      (local.set $row (local.get $x))
      (local.set $out (local.get $y))
      (loop $rows
        ;; a, b, c, d are the sums of four rows; 0 and 1 the halves of the panel.
        (local.set $a0 (local.tee $b0 (local.tee $c0 (local.tee $d0 (v128.load (local.get $b))))))
        (local.set $a1 (local.tee $b1 (local.tee $c1 (local.tee $d1 (v128.load offset=16 (local.get $b))))))
        (local.set $p (local.get $w))
        (local.set $q (local.get $row))
        (local.set $end (i32.add (local.get $row) (local.get $xRow)))
        (loop $inputs
          (local.set $w0 (v128.load (local.get $p)))
          (local.set $w1 (v128.load offset=16 (local.get $p)))
          (local.set $s (v128.load32_splat (local.get $q)))
          (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $s) (local.get $w0))))
          (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $s) (local.get $w1))))
          (local.set $s (v128.load32_splat (i32.add (local.get $q) (local.get $xRow))))
          (local.set $b0 (f32x4.add (local.get $b0) (f32x4.mul (local.get $s) (local.get $w0))))
          (local.set $b1 (f32x4.add (local.get $b1) (f32x4.mul (local.get $s) (local.get $w1))))
          (local.set $s (v128.load32_splat (i32.add (local.get $q) (local.get $x2))))
          (local.set $c0 (f32x4.add (local.get $c0) (f32x4.mul (local.get $s) (local.get $w0))))
          (local.set $c1 (f32x4.add (local.get $c1) (f32x4.mul (local.get $s) (local.get $w1))))
          (local.set $s (v128.load32_splat (i32.add (local.get $q) (local.get $x3))))
          (local.set $d0 (f32x4.add (local.get $d0) (f32x4.mul (local.get $s) (local.get $w0))))
          (local.set $d1 (f32x4.add (local.get $d1) (f32x4.mul (local.get $s) (local.get $w1))))
          (local.set $p (i32.add (local.get $p) (i32.const 32)))
          (br_if $inputs (i32.lt_u (local.tee $q (i32.add (local.get $q) (i32.const 4))) (local.get $end))))
        (v128.store (local.get $out) (local.get $a0))
        (v128.store offset=16 (local.get $out) (local.get $a1))
        (v128.store (local.tee $out (i32.add (local.get $out) (local.get $yRow))) (local.get $b0))
        (v128.store offset=16 (local.get $out) (local.get $b1))
        (v128.store (local.tee $out (i32.add (local.get $out) (local.get $yRow))) (local.get $c0))
        (v128.store offset=16 (local.get $out) (local.get $c1))
        (v128.store (local.tee $out (i32.add (local.get $out) (local.get $yRow))) (local.get $d0))
        (v128.store offset=16 (local.get $out) (local.get $d1))
        (local.set $out (i32.add (local.get $out) (local.get $yRow)))
        (local.set $row (i32.add (local.get $row) (i32.mul (local.get $xRow) (i32.const 4))))
        (br_if $rows (i32.lt_u (local.get $row) (local.get $xEnd))))
      (local.set $y (i32.add (local.get $y) (i32.const 32)))
      (local.set $b (i32.add (local.get $b) (i32.const 32)))
      (local.set $w (i32.add (local.get $w) (i32.mul (local.get $xRow) (i32.const 8))))
      (br_if $panels (i32.lt_u (local.get $w) (local.get $wEnd))))))
