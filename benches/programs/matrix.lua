local function matrix(n, seed)
  local rows = {}
  for i = 0, n - 1 do
    local row = {}
    for j = 0, n - 1 do row[#row + 1] = (i * seed + j) % 7 + 0.5 end
    rows[#rows + 1] = row
  end
  return rows
end
local function multiply(a, b, n)
  local c = {}
  for i = 1, n do
    local row, left = {}, a[i]
    for j = 1, n do
      local sum = 0.0
      for k = 1, n do sum = sum + left[k] * b[k][j] end
      row[#row + 1] = sum
    end
    c[#c + 1] = row
  end
  return c
end
local n = 160
local c = multiply(matrix(n, 3), matrix(n, 5), n)
print(string.format("%d %d", c[n][n] * 4, c[8][10] * 4))
