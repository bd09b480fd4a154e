local abs = math.abs

local function make(size, seed)
  local rows = {}
  for i = 1, size do
    local row = {}
    for k = 1, size + 1 do
      seed = seed * 16807 % 2147483647
      row[k] = seed % 2000 / 100.0 - 10.0
    end
    rows[i] = row
  end
  return rows
end

local function solve(rows)
  local size = #rows
  for column = 1, size do
    local pivot = column
    for i = column + 1, size do
      if abs(rows[i][column]) > abs(rows[pivot][column]) then pivot = i end
    end
    rows[column], rows[pivot] = rows[pivot], rows[column]
    local top = rows[column]
    for i = column + 1, size do
      local row = rows[i]
      local factor = row[column] / top[column]
      for k = column, size + 1 do row[k] = row[k] - factor * top[k] end
    end
  end
  local result = {}
  for i = 1, size do result[i] = 0.0 end
  for i = size, 1, -1 do
    local row = rows[i]
    local sum = row[size + 1]
    for k = i + 1, size do sum = sum - row[k] * result[k] end
    result[i] = sum / row[i]
  end
  return result
end

local function residual(rows, solution)
  local worst = 0.0
  local size = #solution
  for i = 1, #rows do
    local row, sum = rows[i], 0.0
    for k = 1, size do sum = sum + row[k] * solution[k] end
    local error = abs(sum - row[size + 1])
    if error > worst then worst = error end
  end
  return worst
end

local function main()
  local total, good = 0.0, 0
  for round = 0, 39 do
    local solution = solve(make(110, 3 + round))
    if residual(make(110, 3 + round), solution) < 0.000001 then good = good + 1 end
    for i = 1, #solution do total = total + abs(solution[i]) end
  end
  print(string.format("%.5f %d", total, good))
end
main()
