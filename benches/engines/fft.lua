local sin, cos, sqrt, floor = math.sin, math.cos, math.sqrt, math.floor

local function transform(re, im, sign)
  local size = #re + 1
  local j = 0
  for i = 1, size - 1 do
    local bit = floor(size / 2)
    while j >= bit do
      j = j - bit
      bit = floor(bit / 2)
    end
    j = j + bit
    if i < j then
      re[i], re[j] = re[j], re[i]
      im[i], im[j] = im[j], im[i]
    end
  end
  local step = 2
  while step <= size do
    local angle = sign * 6.283185307179586 / step
    local wr, wi = cos(angle), sin(angle)
    local half = floor(step / 2)
    local start = 0
    while start < size do
      local cr, ci = 1.0, 0.0
      for k = 0, half - 1 do
        local a = start + k
        local b = a + half
        local xr = re[b] * cr - im[b] * ci
        local xi = re[b] * ci + im[b] * cr
        re[b] = re[a] - xr
        im[b] = im[a] - xi
        re[a] = re[a] + xr
        im[a] = im[a] + xi
        cr, ci = cr * wr - ci * wi, cr * wi + ci * wr
      end
      start = start + step
    end
    step = step * 2
  end
end

local function main()
  local size = 4096
  local rounds = 80
  local re, im = {}, {}
  local seed = 5
  for i = 0, size - 1 do
    seed = seed * 16807 % 2147483647
    re[i] = seed % 1000 / 1000.0
    im[i] = 0.0
  end
  local power = 0.0
  for round = 1, rounds do
    transform(re, im, 1.0)
    for i = 0, size - 1 do power = power + sqrt(re[i] * re[i] + im[i] * im[i]) / size end
    transform(re, im, -1.0)
    for i = 0, size - 1 do
      re[i] = re[i] / size
      im[i] = im[i] / size
    end
  end
  print(string.format("%.5f %.5f %.5f", power, re[17], re[4000]))
end
main()
