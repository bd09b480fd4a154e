local N = 330
local memo = {}
for i = 0, N - 1 do
  local row = {}
  memo[i] = row
  for j = 0, N - 1 do
    local cost = (i * 7 + j * 13) % 23
    if i == 0 and j == 0 then
      row[j] = cost
    elseif i == 0 then
      row[j] = cost + row[j - 1]
    elseif j == 0 then
      row[j] = cost + memo[i - 1][j]
    else
      local above, left = memo[i - 1][j], row[j - 1]
      row[j] = cost + (above < left and above or left)
    end
  end
end
print(memo[N - 1][N - 1])
local seen, steps, count = {}, 0, 0
for i = 0, 149999 do
  local key = (i * 31 % 400) .. "," .. (i * 17 % 300)
  if seen[key] then
    steps = steps + seen[key]
  else
    seen[key] = i % 10
    count = count + 1
  end
end
print(steps)
print(count)
